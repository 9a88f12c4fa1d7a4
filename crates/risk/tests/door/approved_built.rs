//! An approval has no fields that others can fill.

fn forge(spec: domain::OrderSpec) -> risk::Approved {
    risk::Approved { spec, class: domain::OrderClass::Entry, research: false, valid_until: domain::UnixNanos(0) }
}

fn main() {}
