//! The rules: exactly one field carries.

use super::Carrier;
use crate::diag::Diag;

pub(super) fn carrier(carrier: &Carrier, diag: &mut Diag) {
    match &carrier.fields[..] {
        [] if !carrier.broken => {
            diag.error(&carrier.ident, "no field carries; mark the one that does with `#[carrier]`");
        }
        [_, again, ..] => diag.error(&again.place, "`#[carrier]` given twice; a struct carries in one field"),
        _ => {}
    }
}
