//! Sending uses an approval up.

fn send(approved: risk::Approved) {
    let now = domain::UnixNanos(0);
    let first = approved.release(now, risk::VenueKind::Simulated);
    let second = approved.release(now, risk::VenueKind::Simulated);
    assert_eq!(first, second);
}

fn main() {}
