//! An approval cannot be read from a file.

fn needs_deserialize<T: serde::de::DeserializeOwned>() {}

fn main() {
    needs_deserialize::<risk::Approved>();
}
