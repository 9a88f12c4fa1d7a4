//! A validated signal comes from validation alone.

fn forge(signal: domain::Signal) -> risk::Validated {
    risk::Validated { signal }
}

fn main() {}
