//! Lists the bundled data files, so that the program carries them and runs anywhere.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample");
    println!("cargo:rerun-if-changed={}", sample.display());
    // The minutes and the daily candles lie in folders of their own.
    let mut files = Vec::new();
    for folder in fs::read_dir(&sample)? {
        let folder = folder?.path();
        if folder.is_dir() {
            for entry in fs::read_dir(folder)? {
                files.push(entry?.path());
            }
        }
    }
    files.retain(|path| path.extension().is_some_and(|e| e == "parquet"));
    files.sort();
    let entries: String = (files.iter())
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            format!("({name:?}, include_bytes!({:?}) as &[u8]),", path.display().to_string())
        })
        .collect();
    let out = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&out).join("bundled.rs"), format!("[{entries}]"))
}
