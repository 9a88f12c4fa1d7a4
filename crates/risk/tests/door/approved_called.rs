//! An approval is built by the pre-trade check alone.

fn forge(spec: domain::OrderSpec, profile: &risk::Profile) -> risk::Approved {
    risk::Approved::new(spec, domain::OrderClass::Entry, profile, domain::UnixNanos(0))
}

fn main() {}
