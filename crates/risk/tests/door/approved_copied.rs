//! An approval cannot be copied.

fn twice(approved: &risk::Approved) -> risk::Approved {
    approved.clone()
}

fn needs_clone<T: Clone>() {}

fn main() {
    needs_clone::<risk::Approved>();
}
