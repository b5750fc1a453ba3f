//! The way out: a client's request as bytes.

/// Appends the head of a request of `count` arguments, the command's name included.
#[inline]
pub fn encode_head(out: &mut Vec<u8>, count: usize) {
    line(out, b'*', count);
}

/// Appends one argument.
#[inline]
pub fn encode_arg(out: &mut Vec<u8>, arg: &[u8]) {
    out.reserve(arg.len() + 16);
    line(out, b'$', arg.len());
    out.extend_from_slice(arg);
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole request.
pub fn encode_request(out: &mut Vec<u8>, args: &[&[u8]]) {
    encode_head(out, args.len());
    args.iter().for_each(|arg| encode_arg(out, arg));
}

#[inline]
fn line(out: &mut Vec<u8>, kind: u8, value: usize) {
    // Most names, keys and values are short: one or two digits need no division in a loop.
    match value {
        0..=9 => out.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']),
        10..=99 => {
            let (tens, ones) = (value as u8 / 10, value as u8 % 10);
            out.extend_from_slice(&[kind, b'0' + tens, b'0' + ones, b'\r', b'\n']);
        }
        _ => {
            out.push(kind);
            out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Args, Decoder, Limits, Status};

    #[test]
    fn the_decoder_reads_what_is_encoded() {
        for bytes in [0, 1, 9, 10, 99, 100, 101, 5_000] {
            let value = vec![b'v'; bytes];
            let mut out = Vec::new();
            encode_request(&mut out, &[b"SET", b"key", &value]);
            let (mut spans, mut pos) = (Vec::new(), 0);
            let status =
                Decoder::new().decode(&mut out, &mut pos, &mut spans, &Limits::default()).unwrap();
            assert!(matches!(status, Status::Request { .. }));
            let args = Args::new(&out, &spans);
            assert_eq!((args.len(), &args[2], pos), (3, &value[..], out.len()));
        }
    }
}
