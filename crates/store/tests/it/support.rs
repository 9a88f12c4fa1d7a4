//! Helpers of the tests: bytes in memory as inputs, whole series as vectors, folders that remove themselves.

use bytes::Bytes;
use domain::{Candle, InstrumentIdx, Quote, Trade};
use parquet::basic::Repetition;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::history::{Findings, HistoryError, Input, Options, Rows, Series, SeriesReader, discover};

/// 2021-01-01 00:00 UTC in milliseconds.
pub const T0: i64 = 1_609_459_200_000;

pub fn memory(name: &str, text: impl Into<Vec<u8>>) -> Input {
    Input::Memory { name: name.to_owned(), bytes: Bytes::from(text.into()) }
}

/// All rows of a series.
pub fn rows(series: &Series) -> Result<(Vec<Rows>, Findings), HistoryError> {
    let mut reader = SeriesReader::open(series, InstrumentIdx(3))?;
    let mut chunk = Rows::new(series.kind);
    let mut all = Vec::new();
    while reader.next_chunk(&mut chunk)? {
        assert!(!chunk.is_empty() && chunk.len() <= 2_048, "a chunk is bounded and never empty");
        all.push(chunk.clone());
    }
    assert!(!reader.next_chunk(&mut chunk)?, "the end stays the end");
    let findings = reader.findings().clone();
    assert_eq!(findings.rows, all.iter().map(|c| c.len() as u64).sum::<u64>());
    Ok((all, findings))
}

pub fn candles(series: &Series) -> Result<(Vec<Candle>, Findings), HistoryError> {
    let (chunks, findings) = rows(series)?;
    Ok((chunks.iter().flat_map(|c| c.candles().unwrap().to_vec()).collect(), findings))
}

pub fn trades(series: &Series) -> Result<(Vec<Trade>, Findings), HistoryError> {
    let (chunks, findings) = rows(series)?;
    Ok((chunks.iter().flat_map(|c| c.trades().unwrap().to_vec()).collect(), findings))
}

pub fn quotes(series: &Series) -> Result<(Vec<Quote>, Findings), HistoryError> {
    let (chunks, findings) = rows(series)?;
    Ok((chunks.iter().flat_map(|c| c.quotes().unwrap().to_vec()).collect(), findings))
}

/// The one series of the inputs.
pub fn only(inputs: &[Input], options: &Options) -> Result<Series, HistoryError> {
    let mut all = discover(inputs, options)?;
    assert_eq!(all.len(), 1, "one series: {:?}", all.iter().map(Series::title).collect::<Vec<_>>());
    Ok(all.remove(0))
}

/// A line of the archive's candles at minute `n`; every price is 100, high 101, low 99.
pub fn line(n: i64) -> String {
    let open = T0 + n * 60_000;
    format!("{open},100.00,101.00,99.00,100.50,1.5,{},150.0,10,0.7,70.0,0", open + 59_999)
}

/// A table of `n` good lines with some replaced.
pub fn table(n: i64, replaced: &[(i64, &str)]) -> String {
    (0..n)
        .map(|at| {
            replaced.iter().find(|(k, _)| *k == at).map_or_else(|| line(at), |(_, text)| (*text).to_owned()) + "\n"
        })
        .collect()
}

/// The minutes of the open times.
pub fn minutes(candles: &[Candle]) -> Vec<i64> {
    candles.iter().map(|c| (c.ts_open.as_millis() - T0) / 60_000).collect()
}

/// A folder that is removed with its contents.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bot4-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// The reference data beside the checkout, if it is there.
pub fn reference() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    path.is_dir().then_some(path)
}

pub fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/sample")
}

/// A column of a foreign Parquet file.
pub enum Column {
    Doubles(&'static str, Vec<f64>),
    /// With empty places.
    Optional(&'static str, Vec<Option<f64>>),
    Longs(&'static str, Vec<i64>),
    Texts(&'static str, Vec<&'static str>),
}

/// A Parquet file as another program would write it.
pub fn parquet(columns: &[Column]) -> Vec<u8> {
    parquet_with(columns, WriterProperties::builder().build())
}

/// The same with other properties of the writer.
pub fn parquet_with(columns: &[Column], properties: WriterProperties) -> Vec<u8> {
    use parquet::basic::Type as Kind;
    let field = |column: &Column| {
        let (name, kind, repetition) = match column {
            Column::Doubles(name, _) => (name, Kind::DOUBLE, Repetition::REQUIRED),
            Column::Optional(name, _) => (name, Kind::DOUBLE, Repetition::OPTIONAL),
            Column::Longs(name, _) => (name, Kind::INT64, Repetition::REQUIRED),
            Column::Texts(name, _) => (name, Kind::BYTE_ARRAY, Repetition::REQUIRED),
        };
        Arc::new(Type::primitive_type_builder(name, kind).with_repetition(repetition).build().unwrap())
    };
    let schema =
        Arc::new(Type::group_type_builder("schema").with_fields(columns.iter().map(field).collect()).build().unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for column in columns {
        let mut out = group.next_column().unwrap().unwrap();
        match column {
            Column::Doubles(_, values) => drop(out.typed::<DoubleType>().write_batch(values, None, None).unwrap()),
            Column::Optional(_, values) => {
                let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
                let given: Vec<f64> = values.iter().copied().flatten().collect();
                out.typed::<DoubleType>().write_batch(&given, Some(&levels), None).unwrap();
            }
            Column::Longs(_, values) => drop(out.typed::<Int64Type>().write_batch(values, None, None).unwrap()),
            Column::Texts(_, values) => {
                let values: Vec<ByteArray> = values.iter().map(|v| ByteArray::from(*v)).collect();
                out.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
            }
        }
        out.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

/// A foreign Parquet file of `n` minutes with one close replaced.
pub fn minutes_parquet(n: i64, close: Option<(usize, f64)>) -> Vec<u8> {
    let len = usize::try_from(n).unwrap();
    let mut closes = vec![100.5; len];
    if let Some((at, value)) = close {
        closes[at] = value;
    }
    parquet(&[
        Column::Longs("ts_ms", (0..n).map(|k| T0 + k * 60_000).collect()),
        Column::Doubles("open", vec![100.0; len]),
        Column::Doubles("high", vec![101.0; len]),
        Column::Doubles("low", vec![99.0; len]),
        Column::Doubles("close", closes),
        Column::Doubles("volume", vec![1.5; len]),
    ])
}
