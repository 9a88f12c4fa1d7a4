//! A record costs the trading thread no allocation: not in memory, not when it is given to the system.

use crate::support::Folder;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use store::journal::{Kind, Options, Writer};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // The thread's counter is gone while the thread ends; nothing is measured then.
    let _ = CALLS.try_with(|calls| calls.set(calls.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_warm_writer_allocates_nothing() {
    let folder = Folder::new();
    let mut writer = Writer::create(&folder.0, Options { flush_bytes: 4_096, ..Options::default() }).unwrap();
    let mut seq = 0;
    let mut append = |writer: &mut Writer, n: u64| {
        for _ in 0..n {
            seq += 1;
            writer.append(seq, Kind::Report, 1, |out| out.extend_from_slice(&[7; 60]));
        }
        writer.flush().unwrap();
    };
    append(&mut writer, 1_000);
    let before = CALLS.get();
    append(&mut writer, 10_000);
    assert_eq!(CALLS.get() - before, 0, "10,000 records, 200 times given to the system");
    let noticed = CALLS.get();
    drop(std::hint::black_box(Box::new(1)));
    assert_eq!(CALLS.get() - noticed, 1, "the counter counts");
}
