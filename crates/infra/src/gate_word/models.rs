//! Models of the protocol: every order of events between a few threads, with every value that the memory model of the language lets a read
//! return. They run the code of `protocol` itself.

use super::protocol::{Atomic, Shared};
use super::{Class, FLATTEN, INCLUDING_STOPS, Level};
use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize};
use loom::thread;
use std::sync::atomic::Ordering;

impl Atomic for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        AtomicU64::load(self, order)
    }
    fn add(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_add(value, order)
    }
    fn sub(&self, value: u64, order: Ordering) -> u64 {
        self.fetch_sub(value, order)
    }
    fn exchange(&self, current: u64, new: u64) -> Result<u64, u64> {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire)
    }
}

type Model = Shared<AtomicU64>;

/// Looks twice, and lets the others run between.
fn twice() -> impl FnMut() -> bool {
    let mut left = 2;
    move || {
        left -= 1;
        thread::yield_now();
        left > 0
    }
}

/// What the wire saw, by a number that orders nothing: what is read of it depends on the gate alone.
fn count(wire: &AtomicUsize) -> usize {
    wire.load(Ordering::Relaxed)
}

#[test]
fn nothing_leaves_after_a_close_that_found_nothing_under_way() {
    loom::model(|| {
        let (gate, wire) = (Arc::new(Model::default()), Arc::new(AtomicUsize::new(0)));
        let sender = {
            let (gate, wire) = (Arc::clone(&gate), Arc::clone(&wire));
            thread::spawn(move || gate.send(Class::Entry, || wire.fetch_add(1, Ordering::Relaxed)).is_ok())
        };
        let closed = gate.close(Level::Reducing, 1, 0, twice());
        let then = count(&wire);
        let sent = sender.join().unwrap();
        if closed.in_flight == 0 {
            assert_eq!(count(&wire), then, "an order left under a closed gate");
        }
        assert_eq!(count(&wire), usize::from(sent));
    });
}

#[test]
fn two_senders_of_different_classes_are_each_stopped_by_their_level() {
    // Four threads would be too many for every order: three with at most three changes of thread against their will.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let (gate, wire) = (Arc::new(Model::default()), Arc::new(AtomicUsize::new(0)));
        let senders = [Class::Entry, Class::Reducing].map(|class| {
            let (gate, wire) = (Arc::clone(&gate), Arc::clone(&wire));
            thread::spawn(move || gate.send(class, || wire.fetch_add(1, Ordering::Relaxed)).is_ok())
        });
        let closed = gate.close(Level::Cancels, 1, 0, twice());
        let then = count(&wire);
        for sender in senders {
            let _ = sender.join().unwrap();
        }
        if closed.in_flight == 0 {
            assert_eq!(count(&wire), then, "an order left under a closed gate");
        }
    });
}

#[test]
fn no_raise_is_lost_against_a_lowering() {
    loom::model(|| {
        let gate = Arc::new(Model::default());
        let seen = gate.raise(Level::Reducing, 1, 0).after;
        let killer = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.raise(Level::Reducing, 2, FLATTEN))
        };
        // The re-arming side acts on the raise that it was told of.
        let lowered = gate.lower(seen, Level::All);
        let raised = killer.join().unwrap();
        let end = gate.read();
        assert_eq!((end.level(), end.cause(), end.flatten()), (Level::Reducing, 2, true), "a raise was lost");
        match lowered {
            Ok(open) => assert_eq!(raised.before, open, "the raise came after the lowering"),
            Err(other) => assert_eq!(other, raised.after, "the raise came in between, and the re-arming side is told"),
        }
        assert_eq!(end.generation(), 2 + u64::from(lowered.is_ok()));
    });
}

#[test]
fn two_raises_count_both() {
    loom::model(|| {
        let gate = Arc::new(Model::default());
        let other = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.raise(Level::Cancels, 2, INCLUDING_STOPS))
        };
        let ours = gate.raise(Level::Reducing, 1, FLATTEN);
        let theirs = other.join().unwrap();
        let end = gate.read();
        assert_eq!((end.level(), end.flags(), end.generation()), (Level::Cancels, FLATTEN | INCLUDING_STOPS, 2));
        assert!(ours.after == theirs.before || theirs.after == ours.before, "each knows what it found");
        assert_eq!(end, if ours.after == theirs.before { theirs.after } else { ours.after });
    });
}

#[test]
fn a_gate_that_was_lowered_again_is_open_to_who_comes_later() {
    loom::model(|| {
        let gate = Arc::new(Model::default());
        let sender = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.send(Class::Entry, || ()).is_ok())
        };
        let seen = gate.raise(Level::Reducing, 1, 0).after;
        gate.lower(seen, Level::All).unwrap();
        let _ = sender.join().unwrap();
        assert!(gate.send(Class::Entry, || ()).is_ok());
        assert_eq!(gate.in_flight(Level::Cancels), 0);
    });
}

/// The models can fail: a sender that looks first and announces itself afterwards is caught.
#[test]
#[should_panic(expected = "an order left under a closed gate")]
fn a_sender_that_looks_before_it_announces_itself_is_caught() {
    loom::model(|| {
        let gate = Arc::new((Model::default(), AtomicU64::new(0)));
        let wire = Arc::new(AtomicUsize::new(0));
        let sender = {
            let (gate, wire) = (Arc::clone(&gate), Arc::clone(&wire));
            thread::spawn(move || {
                if gate.0.read().level().lets(Class::Entry) {
                    gate.1.fetch_add(1, Ordering::AcqRel);
                    wire.fetch_add(1, Ordering::Relaxed);
                    gate.1.fetch_sub(1, Ordering::Release);
                }
            })
        };
        gate.0.raise(Level::Reducing, 1, 0);
        let in_flight = gate.1.fetch_add(0, Ordering::AcqRel);
        let then = count(&wire);
        sender.join().unwrap();
        if in_flight == 0 {
            assert_eq!(count(&wire), then, "an order left under a closed gate");
        }
    });
}

/// And so is one who stops and reads the counts by a plain read: an announcement may not be visible to it yet.
#[test]
#[should_panic(expected = "an order left under a closed gate")]
fn a_stop_that_reads_the_counts_plainly_is_caught() {
    loom::model(|| {
        let numbers = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let wire = Arc::new(AtomicUsize::new(0));
        let sender = {
            let (numbers, wire) = (Arc::clone(&numbers), Arc::clone(&wire));
            thread::spawn(move || {
                numbers.1.fetch_add(1, Ordering::AcqRel);
                if numbers.0.load(Ordering::Acquire) == 0 {
                    wire.fetch_add(1, Ordering::Relaxed);
                }
                numbers.1.fetch_sub(1, Ordering::Release);
            })
        };
        numbers.0.store(1, Ordering::Release);
        let in_flight = numbers.1.load(Ordering::Acquire);
        let then = count(&wire);
        sender.join().unwrap();
        if in_flight == 0 {
            assert_eq!(count(&wire), then, "an order left under a closed gate");
        }
    });
}
