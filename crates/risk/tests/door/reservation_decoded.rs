//! What a snapshot or journal holds never becomes a `Reservation` by decoding.

fn forge(bytes: &[u8]) -> Result<risk::Reservation, domain::codec::CodecError> {
    domain::codec::from_bytes(bytes)
}

fn main() {}
