//! The first line of a script, `#!lua flags=…`, and what it says.

use std::borrow::Cow;

/// What a script says of itself, or what holds for one that says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    /// Whether it has a first line of this kind at all. One without may do everything.
    pub declared: bool,
    /// It writes nothing.
    pub no_writes: bool,
    /// It runs even if memory is short.
    pub allow_oom: bool,
    /// It runs even on data that is stale, which data never is here.
    pub allow_stale: bool,
    /// It does not run on a node of a ring.
    pub no_cluster: bool,
    /// It comes to keys of several slots.
    pub across_slots: bool,
}

impl Permissions {
    /// The flags that are set, in Redis's order.
    pub fn flags(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.across_slots, "allow-cross-slot-keys"),
        ];
        all.into_iter().filter_map(|(is_set, flag)| is_set.then_some(flag))
    }

    /// Sets a flag by its name. Returns whether there is one of that name.
    pub(super) fn set(&mut self, flag: &str) -> bool {
        match flag {
            "no-writes" => self.no_writes = true,
            "allow-oom" => self.allow_oom = true,
            "allow-stale" => self.allow_stale = true,
            "no-cluster" => self.no_cluster = true,
            "allow-cross-slot-keys" => self.across_slots = true,
            _ => return false,
        }
        true
    }

    /// Reads the first line of `body`. Returns what it says, and where the code begins: at that line's end, so that the numbers of lines stay.
    pub(crate) fn of(body: &[u8]) -> Result<(Permissions, usize), Cow<'static, str>> {
        if !body.starts_with(b"#!") {
            return Ok((Permissions { across_slots: true, ..Permissions::default() }, 0));
        }
        let Some(end) = memchr::memchr(b'\n', body) else {
            return Err("ERR Invalid script shebang".into());
        };
        let line = String::from_utf8_lossy(&body[..end]);
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let engine = words.next().unwrap_or_default();
        if engine != "#!lua" {
            return Err(format!("ERR Unexpected engine in script shebang: {engine}").into());
        }
        let mut permissions = Permissions { declared: true, ..Permissions::default() };
        for word in words {
            let Some(flags) = word.strip_prefix("flags=") else {
                return Err(format!("ERR Unknown lua shebang option: {word}").into());
            };
            for flag in flags.split(',').filter(|flag| !flag.is_empty()) {
                if !permissions.set(flag) {
                    return Err(format!("ERR Unexpected flag in script shebang: {flag}").into());
                }
            }
        }
        Ok((permissions, end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_lines() {
        let none = Permissions { across_slots: true, ..Permissions::default() };
        let declared = Permissions { declared: true, ..Permissions::default() };
        assert_eq!(Permissions::of(b"return 1"), Ok((none, 0)));
        assert_eq!(Permissions::of(b"#!lua\nreturn 1"), Ok((declared, 5)));
        let writes = Permissions { no_writes: true, no_cluster: true, ..declared };
        assert_eq!(Permissions::of(b"#!lua flags=no-writes,no-cluster\n"), Ok((writes, 32)));
        for (body, error) in [
            ("#!lua", "ERR Invalid script shebang"),
            ("#!js\n", "ERR Unexpected engine in script shebang: #!js"),
            ("#!lua name=x\n", "ERR Unknown lua shebang option: name=x"),
            ("#!lua flags=x\n", "ERR Unexpected flag in script shebang: x"),
        ] {
            assert_eq!(Permissions::of(body.as_bytes()), Err(error.into()), "{body}");
        }
    }
}
