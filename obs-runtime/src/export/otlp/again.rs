use super::exporter::OtlpExporter;
use super::wire::Message;
use crate::engine::FinishedSpan;
use crate::export::batch::Batch;
use crate::export::{Delivery, Receive};

/// The same request again and again: what the benches measure of an exporter, without a pipeline before it.
#[derive(Debug)]
pub struct Again {
    exporter: OtlpExporter,
    batch: Batch,
    request: Message,
}

impl Again {
    /// With these spans in it.
    #[must_use]
    pub fn new(exporter: OtlpExporter, spans: &[FinishedSpan]) -> Self {
        let mut batch = Batch::default();
        spans.iter().for_each(|span| batch.push_finished(span));
        Again { exporter, batch, request: Message::default() }
    }

    /// Writes it.
    pub fn encode(&mut self) -> &[u8] {
        self.request.0.clear();
        self.exporter.encode(&mut self.request, &self.batch, 0..self.batch.len());
        &self.request.0
    }

    /// Writes and sends it so many times; how many spans arrived.
    pub fn send(&mut self, times: usize) -> usize {
        let mut arrived = 0;
        let mut settle = |_, Delivery { accepted, .. }| arrived += accepted;
        self.exporter.receive(&self.batch, &mut (0..times).map(|_| 0..self.batch.len()), &mut settle);
        arrived
    }
}
