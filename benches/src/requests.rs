//! Requests in RESP, as clients write them.

/// A request of these words.
pub fn request(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len());
    for word in words {
        bytes += &format!("${}\r\n{word}\r\n", word.len());
    }
    bytes.into_bytes()
}

/// The name of a key: 16 bytes.
pub fn key(index: usize) -> String {
    format!("key:{index:012}")
}

/// GET of a key.
pub fn get(index: usize) -> Vec<u8> {
    request(&["GET", &key(index)])
}

/// SET of a key to `bytes` bytes.
pub fn set(index: usize, bytes: usize) -> Vec<u8> {
    request(&["SET", &key(index), &"v".repeat(bytes)])
}
