//! Collections as the store keeps and shows them: packed in their entry while small, a large value of their own from then on.

use super::Store;
use super::big::{BigValue, CollectionHeld};
use super::entry::{Entry, Kind, WrongType};
use crate::types::collection::{
    Discard, Hash, HashView, List, ListView, Set, SetView, Stream, StreamView, Tops, Zset, ZsetView,
};

/// A collection to edit. A clone of a large one is a snapshot that costs as much as a pointer.
#[derive(Debug, Clone)]
pub enum Collection {
    /// Fields with values.
    Hash(Hash),
    /// Elements in order.
    List(List),
    /// Members.
    Set(Set),
    /// Members with scores.
    Zset(Zset),
    /// Entries by id, and groups.
    Stream(Stream),
}

/// What the types of collections have in common.
pub trait Collected: Sized + Default {
    /// The type.
    const KIND: Kind;

    /// A copy of packed elements.
    fn from_packed(packed: &[u8]) -> Self;

    /// The packed elements, unless it is large.
    fn as_packed(&self) -> Option<&[u8]>;

    /// Number of elements.
    fn len(&self) -> u64;

    /// Whether it has none, so that its key is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As one of the types.
    fn into_collection(self) -> Collection;

    /// The value of this type in a collection of any.
    fn of(collection: &mut Collection) -> Option<&mut Self>;
}

macro_rules! collected {
    ($($kind:ident)*) => {
        $(impl Collected for $kind {
            const KIND: Kind = Kind::$kind;

            fn from_packed(packed: &[u8]) -> Self {
                $kind::from_packed(packed)
            }

            fn as_packed(&self) -> Option<&[u8]> {
                self.packed()
            }

            fn len(&self) -> u64 {
                self.view().len()
            }

            fn into_collection(self) -> Collection {
                Collection::$kind(self)
            }

            fn of(collection: &mut Collection) -> Option<&mut Self> {
                match collection {
                    Collection::$kind(value) => Some(value),
                    _ => None,
                }
            }
        })*

        $(impl From<$kind> for Collection {
            fn from(value: $kind) -> Self {
                Collection::$kind(value)
            }
        })*

        impl Collection {
            /// Type of the collection.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Collection::$kind(_) => Kind::$kind,)*
                }
            }

            /// The packed elements, unless it is large.
            pub fn packed(&self) -> Option<&[u8]> {
                match self {
                    $(Collection::$kind(value) => value.packed(),)*
                }
            }

            /// Number of elements.
            pub fn len(&self) -> u64 {
                match self {
                    $(Collection::$kind(value) => value.view().len(),)*
                }
            }

            /// Redis's name of its form.
            pub fn encoding(&self) -> &'static str {
                match self {
                    $(Collection::$kind(value) => value.view().encoding(),)*
                }
            }

            /// Bytes that it takes.
            pub fn memory_bytes(&self) -> usize {
                match self {
                    $(Collection::$kind(value) => value.view().memory_bytes(),)*
                }
            }

            /// Bounds of its elements' dots.
            pub fn tops(&self) -> Tops {
                match self {
                    $(Collection::$kind(value) => value.view().tops(),)*
                }
            }

            /// Where the root of a large one lies.
            pub fn root(&self) -> Option<*const u8> {
                match self {
                    $(Collection::$kind(value) => value.root(),)*
                }
            }

            /// What remains to be freed.
            pub fn discard(self) -> Discard {
                match self {
                    $(Collection::$kind(value) => value.discard(),)*
                }
            }
        }
    };
}

collected! { Hash List Set Zset Stream }

impl Collection {
    /// A copy of packed elements; none of a string.
    pub fn from_packed(kind: Kind, packed: &[u8]) -> Option<Self> {
        Some(match kind {
            Kind::Hash => Collection::Hash(Hash::from_packed(packed)),
            Kind::List => Collection::List(List::from_packed(packed)),
            Kind::Set => Collection::Set(Set::from_packed(packed)),
            Kind::Zset => Collection::Zset(Zset::from_packed(packed)),
            Kind::Stream => Collection::Stream(Stream::from_packed(packed)),
            Kind::String => return None,
        })
    }

    /// One without elements; none of a string.
    pub fn empty(kind: Kind) -> Option<Self> {
        Some(match kind {
            Kind::Hash => Collection::Hash(Hash::new()),
            Kind::List => Collection::List(List::new()),
            Kind::Set => Collection::Set(Set::new()),
            Kind::Zset => Collection::Zset(Zset::new()),
            Kind::Stream => Collection::Stream(Stream::new()),
            Kind::String => return None,
        })
    }

    /// Whether it has no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A collection as it was found: nobody changes it for as long as this lives. Who reads much of a large one lets go of it by [`CollectionRef::detach`]
/// first.
#[derive(Debug)]
pub enum CollectionRef<'g> {
    /// Of the entry's own bytes.
    Packed(Kind, &'g [u8]),
    /// A large one, under its lock.
    Held(CollectionHeld<'g>),
    /// A snapshot of a large one. Apart, as it is the rarest by far, and the others are a few words that are handed on for every key that is looked at.
    Detached(Box<Collection>),
}

/// A method that gives the view of one type.
macro_rules! views {
    ($($method:ident $copy:ident $kind:ident $view:ident)*) => {
        impl CollectionRef<'_> {
            $(
                /// A copy to edit.
                ///
                /// # Panics
                /// If it is of another type; [`Entry::collection`] was asked for which it must be.
                pub fn $copy(&self) -> $kind {
                    match self.to_collection() {
                        Collection::$kind(value) => value,
                        _ => unreachable!("the type was asked for"),
                    }
                }

                /// To read it as that type.
                ///
                /// # Panics
                /// If it is of another; [`Entry::collection`] was asked for which it must be.
                pub fn $method(&self) -> $view<'_> {
                    match self {
                        CollectionRef::Packed(_, packed) => $view::packed(packed),
                        CollectionRef::Held(held) => match &**held {
                            Collection::$kind(value) => value.view(),
                            _ => unreachable!("the type was asked for"),
                        },
                        CollectionRef::Detached(collection) => match &**collection {
                            Collection::$kind(value) => value.view(),
                            _ => unreachable!("the type was asked for"),
                        },
                    }
                }
            )*
        }
    };
}

views! {
    hash to_hash Hash HashView
    list to_list List ListView
    set to_set Set SetView
    zset to_zset Zset ZsetView
    stream to_stream Stream StreamView
}

impl CollectionRef<'_> {
    /// Type of the collection.
    pub fn kind(&self) -> Kind {
        match self {
            CollectionRef::Packed(kind, _) => *kind,
            CollectionRef::Held(held) => held.kind(),
            CollectionRef::Detached(collection) => collection.kind(),
        }
    }

    /// Redis's name of its form.
    pub fn encoding(&self) -> &'static str {
        match self.kind() {
            Kind::Hash => self.hash().encoding(),
            Kind::List => self.list().encoding(),
            Kind::Set => self.set().encoding(),
            Kind::Zset => self.zset().encoding(),
            Kind::Stream => self.stream().encoding(),
            Kind::String => "raw",
        }
    }

    /// Bounds of its elements' dots.
    pub fn tops(&self) -> Tops {
        match self.kind() {
            Kind::Hash => self.hash().tops(),
            Kind::List => self.list().tops(),
            Kind::Set => self.set().tops(),
            Kind::Zset => self.zset().tops(),
            Kind::Stream => self.stream().tops(),
            Kind::String => Tops::default(),
        }
    }

    /// Lets go of the lock of a large collection: what is read from now on is a snapshot.
    #[must_use]
    pub fn detach(self) -> Self {
        match self {
            CollectionRef::Held(held) => CollectionRef::Detached(Box::new(held.clone())),
            other => other,
        }
    }

    /// As it is now, to be kept.
    pub fn snapshot(&self, store: &Store) -> Snapshot {
        let found = CollectionRef::Detached(Box::new(self.to_collection()));
        Snapshot { found, store: store.clone() }
    }

    /// A copy to edit, or to put elsewhere.
    pub fn to_collection(&self) -> Collection {
        match self {
            CollectionRef::Packed(kind, packed) => Collection::from_packed(*kind, packed)
                .expect("strings are never packed as collections"),
            CollectionRef::Held(held) => (*held).clone(),
            CollectionRef::Detached(collection) => Collection::clone(collection),
        }
    }
}

/// A collection as it was at one time, to be read for as long as one likes while others edit it. If nothing else holds its parts any more when this is dropped, they are
/// freed where nobody waits for it.
#[derive(Debug)]
pub struct Snapshot {
    found: CollectionRef<'static>,
    store: Store,
}

impl Snapshot {
    /// To read it.
    pub fn view(&self) -> &CollectionRef<'static> {
        &self.found
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let nothing = CollectionRef::Packed(self.found.kind(), &[]);
        if let CollectionRef::Detached(collection) = std::mem::replace(&mut self.found, nothing) {
            self.store.inner.background.drop_value(Box::new(BigValue::Collection(*collection)));
        }
    }
}

impl<'g> Entry<'g> {
    /// Its value as a collection of type `kind`.
    ///
    /// # Errors
    /// If the key holds another type.
    pub fn collection(&self, kind: Kind) -> Result<CollectionRef<'g>, WrongType> {
        match self.any_collection() {
            Some(found) if found.kind() == kind => Ok(found),
            _ => Err(WrongType),
        }
    }

    /// A snapshot of its value, if it is a large collection.
    pub fn snapshot(&self, store: &Store) -> Option<Snapshot> {
        match self.any_collection()? {
            held @ CollectionRef::Held(_) => Some(held.snapshot(store)),
            CollectionRef::Packed(..) | CollectionRef::Detached(_) => None,
        }
    }

    /// Its value, if it is a collection.
    pub fn any_collection(&self) -> Option<CollectionRef<'g>> {
        if let Some(packed) = self.packed() {
            return Some(CollectionRef::Packed(self.kind(), packed));
        }
        // A string's lock may be the caller's own.
        let big = self.big().filter(|big| big.kind() != Kind::String)?;
        big.read_collection().map(CollectionRef::Held)
    }
}
