//! What a snapshot or journal holds never becomes a `Validated` by decoding.

fn forge(bytes: &[u8]) -> Result<risk::Validated, domain::codec::CodecError> {
    domain::codec::from_bytes(bytes)
}

fn main() {}
