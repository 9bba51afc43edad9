//! The wire format of protocol buffers, as much of it as OTLP needs.

/// Writes fields. Empty texts are left out, as proto3 asks.
#[derive(Debug, Default)]
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
        self.some(field, value.as_bytes());
    }

    /// The same for text that is at hand as bytes.
    pub(super) fn some(&mut self, field: u32, value: &[u8]) {
        if !value.is_empty() {
            self.bytes(field, value);
        }
    }

    /// Begins a field of so many bytes, which are to be written next.
    pub(super) fn length(&mut self, field: u32, bytes: usize) {
        self.tag(field, 2);
        self.raw(bytes as u64);
    }

    /// How long a field of the numbers 1 to 15 with so many bytes is.
    pub(super) fn bytes_length(bytes: usize) -> usize {
        1 + raw_length(bytes) + bytes
    }

    /// A message inside this one, of less than 128 bytes as a rule.
    pub(super) fn message(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        self.sized(field, 1, write);
    }

    /// A message of 128 bytes to 16 KiB as a rule.
    pub(super) fn medium(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        self.sized(field, 2, write);
    }

    /// A message of 16 KiB to 2 MiB as a rule.
    pub(super) fn large(&mut self, field: u32, write: impl FnOnce(&mut Message)) {
        self.sized(field, 3, write);
    }

    /// Its length goes before a message, and is known after it: where the room that was left for it is too much or too
    /// little, the message is moved.
    fn sized(&mut self, field: u32, room: usize, write: impl FnOnce(&mut Message)) {
        self.tag(field, 2);
        let at = self.0.len();
        self.0.extend_from_slice(&[0; 3][..room]);
        write(self);
        let length = self.0.len() - at - room;
        let needed = raw_length(length);
        if needed != room {
            let (short, long) = (room.min(needed), room.max(needed));
            match needed < room {
                true => drop(self.0.drain(at + short..at + long)),
                false => drop(self.0.splice(at..at, std::iter::repeat_n(0, long - short))),
            }
        }
        let mut rest = length as u64;
        for byte in &mut self.0[at..at + needed] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        self.0[at + needed - 1] &= 0x7f;
    }

    fn tag(&mut self, field: u32, wire_type: u32) {
        self.raw(u64::from(field << 3 | wire_type));
    }

    #[inline]
    fn raw(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// How many bytes a length takes.
fn raw_length(length: usize) -> usize {
    let bits = usize::BITS - (length | 1).leading_zeros();
    bits.div_ceil(7) as usize
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
    fn lengths_are_written_in_as_few_bytes_as_they_need() {
        for size in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152] {
            let write: [fn(&mut Message, Vec<u8>); 3] = [
                |out, body| out.message(2, |out| out.0.extend(body)),
                |out, body| out.medium(2, |out| out.0.extend(body)),
                |out, body| out.large(2, |out| out.0.extend(body)),
            ];
            let mut expected = Message::default();
            expected.bytes(2, &vec![7; size]);
            assert_eq!(expected.0.len(), Message::bytes_length(size));
            for write in write {
                let mut message = Message::default();
                write(&mut message, vec![7; size]);
                assert!(message.0 == expected.0, "{size}");
            }
        }
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
