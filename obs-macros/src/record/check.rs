//! The rules. Whether a field is declared is not known here: the expansion asks the function around it.

use super::Record;
use crate::diag::Diag;
use crate::observed::once_each;

pub(super) fn record(record: &Record, diag: &mut Diag) {
    once_each(&record.fields, diag);
}
