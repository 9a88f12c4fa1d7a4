//! What a snapshot or journal holds never becomes a `Approved` by decoding.

fn forge(bytes: &[u8]) -> Result<risk::Approved, domain::codec::CodecError> {
    domain::codec::from_bytes(bytes)
}

fn main() {}
