//! What BY and GET lead to: a key's name with the element in the place of the star, and perhaps a field behind an arrow.

use crate::command::Ctx;
use crate::store::Kind;
use torc_protocol::WireError;
use torc_protocol::slot::slot_of;

/// A pattern: `weight_*`, `object_*->field`, or `#` for the element itself.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern<'a> {
    Element,
    Value {
        before: &'a [u8],
        after: &'a [u8],
        field: Option<&'a [u8]>,
    },
    /// Without a star it leads nowhere.
    Nothing,
}

impl<'a> Pattern<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        // To Redis a pattern is a C string where it looks for something in it, and a whole one where it copies.
        let until_nul = |text: &'a [u8]| text.split(|&byte| byte == 0).next().unwrap_or_default();
        if until_nul(text) == b"#" {
            return Pattern::Element;
        }
        let Some(star) = memchr::memchr(b'*', until_nul(text)) else { return Pattern::Nothing };
        let (before, after) = (&text[..star], &text[star + 1..]);
        // An arrow at the very end is part of the name.
        let arrow = memchr::memmem::find(until_nul(after), b"->");
        match arrow.filter(|arrow| until_nul(after).len() > arrow + 2) {
            Some(arrow) => {
                let field = Some(&after[arrow + 2..]);
                Pattern::Value { before, after: &after[..arrow], field }
            }
            None => Pattern::Value { before, after, field: None },
        }
    }

    pub(super) fn has_star(&self) -> bool {
        matches!(self, Pattern::Value { .. })
    }
}

/// Reads what patterns lead to.
pub(super) struct Values<'c, 'a, 's> {
    ctx: &'c mut Ctx<'a>,
    source: &'s [u8],
    name: Vec<u8>,
}

impl<'c, 'a, 's> Values<'c, 'a, 's> {
    /// For elements of the key `source`.
    pub(super) fn of(ctx: &'c mut Ctx<'a>, source: &'s [u8]) -> Self {
        Values { ctx, source, name: Vec::new() }
    }

    /// What `pattern` leads to from `element`: a string, or a field of a hash; nothing where there is none.
    ///
    /// # Errors
    /// In a ring, if that key lies in another slot than the source: another node may serve it.
    pub(super) fn get(
        &mut self,
        pattern: Pattern<'_>,
        element: &[u8],
    ) -> Result<Option<Vec<u8>>, WireError> {
        let (before, after, field) = match pattern {
            Pattern::Element => return Ok(Some(element.to_vec())),
            Pattern::Nothing => return Ok(None),
            Pattern::Value { before, after, field } => (before, after, field),
        };
        self.name.clear();
        [before, element, after].iter().for_each(|part| self.name.extend_from_slice(part));
        if self.ctx.instance.cluster.is_enabled() && slot_of(&self.name) != slot_of(self.source) {
            return Err(WireError::CrossSlot);
        }
        let Some(entry) = self.ctx.keyspace().read(&self.name) else { return Ok(None) };
        Ok(match (field, entry.kind()) {
            (None, Kind::String) => Some(entry.string()?.bytes(&mut itoa::Buffer::new()).to_vec()),
            (Some(field), Kind::Hash) => {
                let found = entry.collection(Kind::Hash)?;
                found.hash().get(field).map(|value| value.to_vec())
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_redis_reads_them() {
        let check = |text: &str, expected: Option<(&str, &str, Option<&str>)>| {
            let found = match Pattern::of(text.as_bytes()) {
                Pattern::Value { before, after, field } => Some((before, after, field)),
                _ => None,
            };
            let expected = expected.map(|(before, after, field)| {
                (before.as_bytes(), after.as_bytes(), field.map(str::as_bytes))
            });
            assert_eq!(found, expected, "{text:?}");
        };
        check("#", None);
        check("", None);
        check("constant", None);
        check("*", Some(("", "", None)));
        check("w_*_x*", Some(("w_", "_x*", None)));
        check("o_*->name", Some(("o_", "", Some("name"))));
        check("o_*x->a->b", Some(("o_", "x", Some("a->b"))));
        check("o->n_*", Some(("o->n_", "", None)));
        check("o_*->", Some(("o_", "->", None)));
        check("a\0*", None);
        check("w_*\0x->y", Some(("w_", "\0x->y", None)));
    }
}
