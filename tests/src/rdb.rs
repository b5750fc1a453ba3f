//! DUMP payloads made by hand, so that RESTORE is fed what no server would print.
//!
//! Layout: type, value, RDB version (2 bytes, little endian), CRC-64 of all before (8 bytes, little endian).

/// The version that Redis 7.0 writes.
pub const VERSION: u16 = 10;

/// A payload of a plain string value.
pub fn string_payload(value: &[u8], version: u16) -> Vec<u8> {
    let mut body = vec![0];
    push_length(&mut body, value.len());
    body.extend_from_slice(value);
    seal(body, version)
}

/// A payload of an integer of 1, 2 or 4 bytes.
pub fn integer_payload(value: i32, width: usize, version: u16) -> Vec<u8> {
    let code = match width {
        1 => 0xc0,
        2 => 0xc1,
        _ => 0xc2,
    };
    let mut body = vec![0, code];
    body.extend_from_slice(&value.to_le_bytes()[..if width > 2 { 4 } else { width }]);
    seal(body, version)
}

/// A payload of an LZF-compressed string: `text_bytes` is the length it claims to unpack to.
pub fn compressed_payload(packed: &[u8], text_bytes: usize, version: u16) -> Vec<u8> {
    let mut body = vec![0, 0xc3];
    push_length(&mut body, packed.len());
    push_length(&mut body, text_bytes);
    body.extend_from_slice(packed);
    seal(body, version)
}

/// A payload of a list (1), a set (2), a hash (4) or a sorted set (5) element by element. A hash takes them as fields and values in turn; a sorted set gives each
/// its place for a score.
pub fn collection_payload(kind: u8, elements: &[Vec<u8>], version: u16) -> Vec<u8> {
    let mut body = vec![kind];
    push_length(&mut body, if kind == 4 { elements.len() / 2 } else { elements.len() });
    for (index, element) in elements.iter().enumerate() {
        push_length(&mut body, element.len());
        body.extend_from_slice(element);
        if kind == 5 {
            body.extend_from_slice(&(index as f64 / 2.0).to_le_bytes());
        }
    }
    seal(body, version)
}

/// A payload of a stream of `count` entries of one field, a millisecond apart from `first` on, of which its group has read `read`, below 32; two of three that were read
/// are pending for two consumers.
pub fn stream_payload(first: (u64, u64), count: u8, read: u8, version: u16) -> Vec<u8> {
    let id = |nth: u8| [(first.0 + u64::from(nth)).to_be_bytes(), first.1.to_be_bytes()].concat();
    let mut body = vec![19, u8::from(count > 0)];
    if count > 0 {
        let mut elements: Vec<&[u8]> = Vec::new();
        let counts: Vec<[u8; 1]> = (0..=count).map(|nth| [nth]).collect();
        elements.extend([&counts[usize::from(count)][..], &[0], &[1], b"\x82f0", &[0]]);
        for nth in &counts[..usize::from(count)] {
            elements.extend([&[2][..], nth, &[0], nth, &[4]]);
        }
        body.push(16);
        body.extend_from_slice(&id(0));
        push_listpack(&mut body, &elements);
    }
    let last = if count == 0 { first } else { (first.0 + u64::from(count) - 1, first.1) };
    let group_last = if read == 0 { (0, 0) } else { (first.0 + u64::from(read) - 1, first.1) };
    push_length(&mut body, count.into());
    let first = if count == 0 { (0, 0) } else { first };
    [last, first, (0, 0)].into_iter().for_each(|id| push_id(&mut body, id));
    body.extend_from_slice(&[count, 1, 1, b'g']);
    push_id(&mut body, group_last);
    body.push(read);
    let pending: Vec<u8> = (0..read).filter(|nth| nth % 3 != 0).collect();
    body.push(pending.len() as u8);
    for &nth in &pending {
        body.extend_from_slice(&id(nth));
        body.extend_from_slice(&1000i64.to_le_bytes());
        body.push(1 + nth);
    }
    body.push(2);
    for (name, rest) in [(b"alice\0", 1), (b"bob\0\0\0", 2)] {
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        body.push(name.len() as u8);
        body.extend_from_slice(name);
        body.extend_from_slice(&2000i64.to_le_bytes());
        let own: Vec<u8> = pending.iter().copied().filter(|nth| nth % 3 == rest).collect();
        body.push(own.len() as u8);
        own.iter().for_each(|&nth| body.extend_from_slice(&id(nth)));
    }
    seal(body, version)
}

fn push_id(body: &mut Vec<u8>, (ms, seq): (u64, u64)) {
    push_length(body, ms as usize);
    push_length(body, seq as usize);
}

/// A listpack of elements that are encoded already, each below 128 bytes.
fn push_listpack(body: &mut Vec<u8>, elements: &[&[u8]]) {
    let bytes = 7 + elements.iter().map(|element| element.len() + 1).sum::<usize>();
    push_length(body, bytes);
    body.extend_from_slice(&(bytes as u32).to_le_bytes());
    body.extend_from_slice(&(elements.len() as u16).to_le_bytes());
    for element in elements {
        body.extend_from_slice(element);
        body.push(element.len() as u8);
    }
    body.push(0xff);
}

/// Adds version and checksum.
pub fn seal(mut body: Vec<u8>, version: u16) -> Vec<u8> {
    body.extend_from_slice(&version.to_le_bytes());
    let crc = crc64(&body);
    body.extend_from_slice(&crc.to_le_bytes());
    body
}

fn push_length(body: &mut Vec<u8>, len: usize) {
    match len {
        0..=63 => body.push(len as u8),
        64..=16383 => body.extend_from_slice(&[0x40 | (len >> 8) as u8, len as u8]),
        _ => {
            body.push(0x80);
            body.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

/// CRC-64 with the Jones polynomial, reflected, initial value 0; bit by bit, since only tests use it.
fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = 0u64;
    for &byte in bytes {
        crc ^= u64::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_matches_the_published_check_value() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }
}
