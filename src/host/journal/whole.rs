//! Records for journald whose MESSAGE is the whole line that the text format writes.
//!
//! `journalctl` shows MESSAGE, and the fields only to who asks for them; with the bare message an administrator would
//! read "connection closed", and not whose and why. The fields stay fields beside it.

use super::text::Fields;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber, Value};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Hands each record to journald's layer, its message made whole. What it is told of spans becomes fields, as ever.
pub(super) struct Whole<L>(pub(super) L);

impl<S, L> Layer<S> for Whole<L>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    L: Layer<S>,
{
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let mut values = Values(vec![None; metadata.fields().len()]);
        event.record(&mut values);
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Some(message) = metadata.fields().field("message") {
            values.take(&message, fields.line());
        }
        let values: Vec<_> = values.0.iter().map(|value| value.as_ref().map(|text| text as &dyn Value)).collect();
        // Hidden from the docs, and what the macros of `tracing` themselves call.
        let values = metadata.fields().value_set_all(&values);
        self.0.on_event(&Event::new(metadata, &values), context);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, span: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, span, context);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(span, values, context);
    }
}

/// All values of a record as text, which is all that the journal has, by their field's index.
struct Values(Vec<Option<String>>);

impl Values {
    fn take(&mut self, field: &Field, value: String) {
        if let Some(slot) = self.0.get_mut(field.index()) {
            *slot = Some(value);
        }
    }
}

impl Visit for Values {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.take(field, format!("{value:?}"));
    }
}
