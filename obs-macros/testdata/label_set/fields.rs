#[label_set(crate = crate::telemetry)]
struct HttpLabels {
    method: Method,
    r#type: Type,
}
