//! The exporter seam: something that receives finished spans, on a thread of its own.
