//! The wire format of protocol buffers, as much of it as OTLP needs.

/// Writes fields. Empty texts are left out, as proto3 asks.
#[derive(Default)]
pub(super) struct Message(pub(super) Vec<u8>);

impl Message {
    pub(super) fn varint(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.raw(value);
    }

    pub(super) fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn fixed32(&mut self, field: u32, value: u32) {
        self.tag(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.raw(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(super) fn text(&mut self, field: u32, value: &str) {
        if !value.is_empty() {
            self.bytes(field, value.as_bytes());
        }
    }

    /// A message inside this one. Its length goes before it, and is known after it: where one byte is too short, it is moved.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        self.tag(field, 2);
        let at = self.0.len();
        self.0.push(0);
        write(self);
        let length = self.0.len() - at - 1;
        let mut prefix = Message::default();
        prefix.raw(length as u64);
        self.0.splice(at..=at, prefix.0);
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.raw(u64::from(field << 3 | wire_type));
    }

    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// A field as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    /// Something of a fixed size that nobody here reads.
    Fixed,
}

/// The fields of a message with their numbers, until its end or the first thing that is not well formed.
pub(super) fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, Field<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut message)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut message)?),
            1 => take(&mut message, 8).map(|_| Field::Fixed)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Field::Bytes(take(&mut message, length)?)
            }
            5 => take(&mut message, 4).map(|_| Field::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, field))
    })
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut message = Message::default();
        message.varint(1, u64::MAX);
        message.fixed64(2, 7);
        message.fixed32(16, 7);
        message.text(3, "");
        message.message(4, |inner| inner.text(1, &"x".repeat(300)));
        let found: Vec<_> = fields(&message.0).collect();
        assert_eq!(found[..3], [(1, Field::Varint(u64::MAX)), (2, Field::Fixed), (16, Field::Fixed)]);
        let (4, Field::Bytes(inner)) = found[3] else { panic!("{:?}", found[3]) };
        assert_eq!(fields(inner).collect::<Vec<_>>(), [(1, Field::Bytes("x".repeat(300).as_bytes()))]);
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn a_broken_message_ends_the_reading() {
        for broken in [
            &[0x80][..],
            &[0xff; 11],
            &[0x0a, 5, 1],
            &[0x09, 1],
            &[0x0b],
            &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(fields(broken).next(), None, "{broken:x?}");
        }
    }
}
