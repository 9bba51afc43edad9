//! An exporter of one's own: finished spans as JSON lines in a file. `cargo run -p examples --example file_exporter -- FILE`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use obs_runtime::engine::{FieldValue, FinishedSpan};
use obs_runtime::export::{Delivery, Exporter, Resource};
use obs_runtime::{Telemetry, observed, warn};
use serde_json::{Map, Value, json};

/// Writes one JSON object a line: the service, then each span.
struct ToFile(BufWriter<File>);

impl Exporter for ToFile {
    fn start(&mut self, resource: &Resource) {
        let resource: Map<String, Value> = resource.iter().map(|(key, value)| (key.to_owned(), plain(value))).collect();
        // A disk that is full now will be full at the first span too, which says so.
        let _ = writeln!(self.0, "{}", json!({ "resource": resource }));
    }

    fn export(&mut self, spans: Vec<FinishedSpan>) -> Delivery {
        // It may block: nobody waits for this thread. What is not accepted is counted as lost, with the reason.
        match spans.iter().try_for_each(|span| writeln!(self.0, "{}", line(span))).and_then(|()| self.0.flush()) {
            Ok(()) => Delivery::all(&spans),
            Err(err) => Delivery::none(format!("the file cannot be written: {err}")),
        }
    }
}

fn line(span: &FinishedSpan) -> Value {
    json!({
        "name": span.name,
        "trace_id": span.trace_id.to_string(),
        "span_id": span.span_id.to_string(),
        "parent_id": span.parent_id.map(|id| id.to_string()),
        "start_unix_nanos": span.start_unix_nanos,
        "duration_nanos": span.duration_nanos,
        "error": span.status().err(),
        "fields": span.fields.iter().map(|(key, value)| (key.into_owned(), plain(&value))).collect::<Map<_, _>>(),
        "events": span.events.iter().map(|event| event.name.as_str()).collect::<Vec<_>>(),
    })
}

fn plain(value: &FieldValue<'_>) -> Value {
    match value {
        FieldValue::Str(text) => text.as_ref().into(),
        FieldValue::I64(number) => (*number).into(),
        FieldValue::U64(number) => (*number).into(),
        FieldValue::F64(number) => (*number).into(),
        FieldValue::Bool(truth) => (*truth).into(),
    }
}

#[observed(size)]
fn place(size: u32) -> Result<(), String> {
    if size > 8 {
        warn!(size, "no host has room");
        return Err("no room".to_owned());
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("the name of the file is the argument")?;
    let file = File::create(path)?;
    let telemetry =
        Telemetry::builder("placing").log_writer(io::stderr()).exporter(ToFile(BufWriter::new(file))).start()?;

    let _ = (place(2), place(16));

    let report = telemetry.shutdown(Duration::from_secs(5));
    println!("{} spans written, {} lost", report.spans_sent, report.spans_lost);
    Ok(())
}
