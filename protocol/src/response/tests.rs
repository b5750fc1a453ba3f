use super::*;

fn scan_all(bytes: &[u8]) -> Result<Vec<usize>, ResponseError> {
    let (mut scanner, mut at, mut ends) = (Scanner::new(), 0, Vec::new());
    while at < bytes.len() {
        match scanner.scan(&bytes[at..], &ReplyBounds::default())? {
            Some(len) => {
                at += len;
                ends.push(at);
            }
            None => break,
        }
    }
    Ok(ends)
}

/// The ends that come out if the bytes arrive `step` at a time.
fn scan_in_steps(bytes: &[u8], step: usize) -> Vec<usize> {
    let (mut scanner, mut at, mut ends) = (Scanner::new(), 0, Vec::new());
    for arrived in (0..=bytes.len()).step_by(step).chain([bytes.len()]) {
        while at < arrived {
            match scanner.scan(&bytes[at..arrived], &ReplyBounds::default()).unwrap() {
                Some(len) => {
                    at += len;
                    ends.push(at);
                }
                None => {
                    assert!(scanner.missing_bytes(arrived - at) >= 1);
                    break;
                }
            }
        }
    }
    ends
}

const EXAMPLES: &[&[u8]] = &[
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":-12\r\n",
    b"$5\r\na\r\nbc\r\n",
    b"$0\r\n\r\n",
    b"$-1\r\n",
    b"*-1\r\n",
    b"*0\r\n",
    b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n",
    b"_\r\n",
    b"#t\r\n",
    b",3.25\r\n",
    b",inf\r\n",
    b"(12345678901234567890\r\n",
    b"=7\r\ntxt:abc\r\n",
    b"!5\r\nERR x\r\n",
    b"%1\r\n+a\r\n*2\r\n:1\r\n:2\r\n",
    b"~2\r\n:1\r\n:2\r\n",
    b">2\r\n+a\r\n+b\r\n",
    b"|1\r\n+ttl\r\n:3\r\n$1\r\nx\r\n",
    b"*1\r\n|1\r\n+a\r\n+b\r\n:7\r\n",
];

#[test]
fn ends_are_the_same_however_the_bytes_arrive() {
    let all: Vec<u8> = EXAMPLES.concat();
    let expected: Vec<usize> = EXAMPLES
        .iter()
        .scan(0, |end, example| {
            *end += example.len();
            Some(*end)
        })
        .collect();
    assert_eq!(scan_all(&all).unwrap(), expected);
    for step in 1..40 {
        assert_eq!(scan_in_steps(&all, step), expected, "{step} bytes at a time");
    }
}

#[test]
fn tokens_say_what_stands_there() {
    let all: Vec<u8> = EXAMPLES.concat();
    let mut tokens = Tokens::new(&all);
    let expected = [
        Token::Simple(b"OK"),
        Token::Error(b"ERR no"),
        Token::Integer(-12),
        Token::Bulk(b"a\r\nbc"),
        Token::Bulk(b""),
        Token::Null,
        Token::Null,
        Token::Array(0),
        Token::Array(2),
        Token::Bulk(b"a"),
        Token::Array(1),
        Token::Integer(1),
        Token::Null,
        Token::Boolean(true),
        Token::Double(3.25),
        Token::Double(f64::INFINITY),
        Token::BigNumber(b"12345678901234567890"),
        Token::Verbatim(b"abc"),
        Token::Error(b"ERR x"),
        Token::Map(1),
        Token::Simple(b"a"),
        Token::Array(2),
        Token::Integer(1),
        Token::Integer(2),
        Token::Set(2),
        Token::Integer(1),
        Token::Integer(2),
        Token::Push(2),
        Token::Simple(b"a"),
        Token::Simple(b"b"),
        Token::Attribute(1),
        Token::Simple(b"ttl"),
        Token::Integer(3),
        Token::Bulk(b"x"),
    ];
    for wanted in expected {
        assert_eq!(tokens.next_token().unwrap(), wanted);
    }
}

#[test]
fn what_is_no_reply_is_refused() {
    let check = |bytes: &[u8], expected| {
        assert_eq!(scan_all(bytes), Err(expected), "{}", bytes.escape_ascii());
    };
    check(b"?\r\n", ResponseError::UnknownType(b'?'));
    check(b"\r\n", ResponseError::InvalidLine);
    check(b"+a\rb\n", ResponseError::InvalidLine);
    check(b"$x\r\n", ResponseError::InvalidNumber);
    check(b"$-2\r\n", ResponseError::InvalidNumber);
    check(b"%-1\r\n", ResponseError::InvalidNumber);
    check(b"$1\r\nabc", ResponseError::UnterminatedBulk);
    check(b"$99999999999\r\n", ResponseError::TooLong);
    check(b"*999999999999\r\n*999999999999\r\n", ResponseError::TooLong);
    let endless = [b"+".to_vec(), vec![b'a'; 2 << 20]].concat();
    check(&endless, ResponseError::InvalidLine);
}

/// xorshift64*, Vigna 2016: the same bytes in every run.
fn random(seed: &mut u64) -> u64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    seed.wrapping_mul(0x2545_f491_4f6c_dd1d)
}

/// Random bytes out of those that replies are made of, and replies with some bytes changed: whatever comes, neither step panics,
/// and what the scanner takes for whole the tokens can be read of.
#[test]
fn hostile_bytes_are_errors_at_worst() {
    const ALPHABET: &[u8] = b"+-:_,#($=!*~>%|?0123456789\r\n\r\n\r\nab-";
    let mut seed = 0x5eed;
    let mut whole = 0;
    for round in 0..60_000u64 {
        let bytes: Vec<u8> = if round % 2 == 0 {
            let len = random(&mut seed) % 40;
            (0..len)
                .map(|_| ALPHABET[(random(&mut seed) % ALPHABET.len() as u64) as usize])
                .collect()
        } else {
            let mut bytes = EXAMPLES.concat();
            for _ in 0..random(&mut seed) % 6 {
                let at = (random(&mut seed) % bytes.len() as u64) as usize;
                bytes[at] = ALPHABET[(random(&mut seed) % ALPHABET.len() as u64) as usize];
            }
            bytes
        };
        for &end in scan_all(&bytes).iter().flatten() {
            let mut tokens = Tokens::new(&bytes[..end]);
            while !tokens.rest().is_empty() && tokens.next_token().is_ok() {}
            whole += 1;
        }
    }
    assert!(whole > 10_000, "only {whole} replies were whole");
}

#[test]
fn lines_end_at_their_first_cr_however_long_they_are() {
    for bytes in 0..40 {
        let line = [&b"x".repeat(bytes)[..], b"\r\n+a\r\n"].concat();
        assert_eq!(scanner::find_cr(&line), Some(bytes));
        assert_eq!(scanner::find_cr(&line[..bytes]), None);
        let reply = [b"+", &line[..]].concat();
        assert_eq!(Tokens::new(&reply).next_token(), Ok(Token::Simple(&line[..bytes])));
        assert_eq!(scan_all(&reply), Ok(vec![bytes + 3, bytes + 7]));
    }
}
