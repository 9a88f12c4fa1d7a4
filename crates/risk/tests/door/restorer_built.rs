//! A restorer comes from the loading of a gate alone.

fn forge(exposure: risk::exposure::Exposure) -> risk::Restorer {
    risk::Restorer { unclaimed: exposure, next: 0 }
}

fn main() {}
