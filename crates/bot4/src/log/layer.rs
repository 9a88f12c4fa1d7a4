//! The side of the thread that tells something: takes records as they are and hands them over without waiting.

use super::writer::Message;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Instant, SystemTime};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// A value of a record, not formatted yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Datum {
    Unsigned(u64),
    Signed(i64),
    /// Client order ids are so wide; shown with 32 hexadecimal digits.
    Wide(u128),
    Float(f64),
    Flag(bool),
    Text(String),
}

/// What is told, once.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub at: SystemTime,
    pub meta: &'static Metadata<'static>,
    pub message: String,
    pub fields: Vec<(&'static str, Datum)>,
}

/// The layer that takes the records.
#[derive(Debug)]
pub struct LogLayer {
    people: Targets,
    file: Targets,
    sender: SyncSender<Message>,
    left_out: Arc<AtomicU64>,
}

impl LogLayer {
    pub(super) const fn new(
        people: Targets,
        file: Targets,
        sender: SyncSender<Message>,
        left_out: Arc<AtomicU64>,
    ) -> Self {
        Self { people, file, sender, left_out }
    }

    fn wants(&self, meta: &Metadata<'_>) -> bool {
        let (target, level) = (meta.target(), meta.level());
        self.people.would_enable(target, level) || self.file.would_enable(target, level)
    }

    fn hand_over(&self, record: Record) {
        if self.sender.try_send(Message::Record(Box::new(record))).is_err() {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// When a span began, and its fields.
struct Begun {
    at: Instant,
    fields: Fields,
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for LogLayer {
    // The answer for a place in the code never changes, so it is asked for once and costs nothing afterwards.
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        if self.wants(meta) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, meta: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(meta)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let most = |targets: &Targets| targets.clone().into_iter().map(|(_, level)| level).max();
        let default = self.people.default_level().max(self.file.default_level());
        [most(&self.people), most(&self.file), default].into_iter().flatten().max()
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::with_room(event.metadata());
        event.record(&mut fields);
        self.hand_over(Record {
            at: SystemTime::now(),
            meta: event.metadata(),
            message: fields.message,
            fields: fields.list,
        });
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::with_room(attributes.metadata());
            attributes.record(&mut fields);
            span.extensions_mut().insert(Begun { at: Instant::now(), fields });
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(begun) = span.extensions_mut().remove::<Begun>() else { return };
        let mut fields = begun.fields.list;
        fields.push(("elapsed_ns", Datum::Unsigned(u64::try_from(begun.at.elapsed().as_nanos()).unwrap_or(u64::MAX))));
        let message = span.metadata().name().to_owned();
        self.hand_over(Record { at: SystemTime::now(), meta: span.metadata(), message, fields });
    }
}

struct Fields {
    message: String,
    list: Vec<(&'static str, Datum)>,
}

impl Fields {
    fn with_room(meta: &Metadata<'_>) -> Self {
        // One more for the time that a span takes.
        Self { message: String::new(), list: Vec::with_capacity(meta.fields().len() + 1) }
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.list.push((field.name(), Datum::Unsigned(value)));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.list.push((field.name(), Datum::Signed(value)));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.list.push((field.name(), Datum::Wide(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.list.push((field.name(), Datum::Float(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.list.push((field.name(), Datum::Flag(value)));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.list.push((field.name(), Datum::Text(value.to_owned())));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.list.push((field.name(), Datum::Text(text)));
        }
    }
}
