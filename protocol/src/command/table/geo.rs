//! Rows of the commands about positions on the earth. The fields are explained in [`super`].

/// Appends the rows and goes on to the next file.
#[doc(hidden)]
#[macro_export]
macro_rules! geo_commands { ($callback:ident $($before:tt)*) => { $crate::generic_commands! { $callback $($before)*
Geo {
    "geoadd" => geo::geoadd {
        arity: -5, since: "3.2.0", time: "O(log N) a member, in the size of the sorted set",
        flags: [WRITE DENYOOM], acl: [GEO],
        keys: [{ RW UPDATE: at(1) }],
        args: "key [condition:<NX | XX>] [change=CH] data:(longitude:double latitude:double member)...",
        about: "Adds members with their positions to a sorted set, or changes their positions.",
    }

    "geodist" => geo::geodist {
        arity: -4, since: "3.2.0", time: "O(1)",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member1 member2 [unit:<M | KM | FT | MI>]",
        about: "Answers how far two members are apart.",
    }

    "geohash" => geo::geohash {
        arity: -2, since: "3.2.0", time: "O(1) a member",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [member...]",
        about: "Answers the standard geohashes of members.",
    }

    "geopos" => geo::geopos {
        arity: -2, since: "3.2.0", time: "O(1) a member",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key [member...]",
        about: "Answers the longitudes and latitudes of members.",
    }

    "georadius" => geo::georadius {
        arity: -6, since: "3.2.0", time: "O(N + log M) in the members around the circle and the size of the sorted set",
        flags: [WRITE DENYOOM], acl: [GEO],
        keys: [
            { RO ACCESS: at(1) }
            { OW UPDATE: after("STORE", 6) }
            { OW UPDATE: after("STOREDIST", 6) }
        ],
        keys_by: Georadius,
        args: "key longitude:double latitude:double radius:double unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
            [WITHHASH] [count-block:(COUNT count:integer [ANY])] [order:<ASC | DESC>] \
            [store:<STORE storekey:key | STOREDIST storedistkey:key>]",
        deprecated: "6.2.0", instead: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
        about: "Answers or stores the members no further from a position than a radius.",
    }

    "georadius_ro" => geo::georadius_ro {
        arity: -6, since: "3.2.10", time: "O(N + log M) in the members around the circle and the size of the sorted set",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key longitude:double latitude:double radius:double unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
            [WITHHASH] [count-block:(COUNT count:integer [ANY])] [order:<ASC | DESC>]",
        deprecated: "6.2.0", instead: "`GEOSEARCH` with the `BYRADIUS` argument",
        about: "Answers the members no further from a position than a radius.",
    }

    "georadiusbymember" => geo::georadiusbymember {
        arity: -5, since: "3.2.0", time: "O(N + log M) in the members around the circle and the size of the sorted set",
        flags: [WRITE DENYOOM], acl: [GEO],
        keys: [
            { RO ACCESS: at(1) }
            { OW UPDATE: after("STORE", 5) }
            { OW UPDATE: after("STOREDIST", 5) }
        ],
        keys_by: Georadius,
        args: "key member radius:double unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
            [WITHHASH] [count-block:(COUNT count:integer [ANY])] [order:<ASC | DESC>] \
            [store:<STORE storekey:key | STOREDIST storedistkey:key>]",
        deprecated: "6.2.0", instead: "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
        about: "Answers or stores the members no further from a member than a radius.",
    }

    "georadiusbymember_ro" => geo::georadiusbymember_ro {
        arity: -5, since: "3.2.10", time: "O(N + log M) in the members around the circle and the size of the sorted set",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key member radius:double unit:<M | KM | FT | MI> [WITHCOORD] [WITHDIST] \
            [WITHHASH] [count-block:(COUNT count:integer [ANY])] [order:<ASC | DESC>]",
        deprecated: "6.2.0", instead: "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
        about: "Answers the members no further from a member than a radius.",
    }

    "geosearch" => geo::geosearch {
        arity: -7, since: "6.2.0", time: "O(N + log M) in the members around the area and the size of the sorted set",
        flags: [READONLY], acl: [GEO],
        keys: [{ RO ACCESS: at(1) }],
        args: "key from:<FROMMEMBER member | FROMLONLAT fromlonlat:(longitude:double latitude:double)> \
            by:<circle:(BYRADIUS radius:double unit:<M | KM | FT | MI>) | \
            box:(BYBOX width:double height:double unit:<M | KM | FT | MI>)> [order:<ASC | DESC>] \
            [count-block:(COUNT count:integer [ANY])] [WITHCOORD] [WITHDIST] [WITHHASH]",
        about: "Answers the members in a circle or a box.",
    }

    "geosearchstore" => geo::geosearchstore {
        arity: -8, since: "6.2.0", time: "O(N + log M) in the members around the area and the size of the sorted set",
        flags: [WRITE DENYOOM], acl: [GEO],
        keys: [
            { OW UPDATE: at(1) }
            { RO ACCESS: at(2) }
        ],
        args: "destination:key source:key from:<FROMMEMBER member | FROMLONLAT fromlonlat:(longitude:double latitude:double)> \
            by:<circle:(BYRADIUS radius:double unit:<M | KM | FT | MI>) | \
            box:(BYBOX width:double height:double unit:<M | KM | FT | MI>)> [order:<ASC | DESC>] \
            [count-block:(COUNT count:integer [ANY])] [STOREDIST]",
        about: "Stores the members in a circle or a box.",
    }
} } }; }
