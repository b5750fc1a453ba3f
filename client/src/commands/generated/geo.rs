//! Commands of the group geo. Written from the command table; not to be edited by hand.

use crate::bytes::Bytes;
use crate::call::Call;
use crate::client::Client;
use crate::reply::Value;
use crate::request::Arg;

impl Client {
    /// Adds members with their positions to a sorted set, or changes their positions.
    ///
    /// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`, O(log N) a member, in the size of the sorted set.
    pub fn geoadd(&self, key: impl Arg) -> Call<'_, i64, Geoadd> {
        Call::of(self, "geoadd").key(key)
    }

    /// Answers how far two members are apart.
    ///
    /// `GEODIST key member1 member2 [M | KM | FT | MI]`, O(1).
    pub fn geodist(
        &self,
        key: impl Arg,
        member1: impl Arg,
        member2: impl Arg,
    ) -> Call<'_, Option<f64>, Geodist> {
        Call::of(self, "geodist").key(key).arg(member1).arg(member2)
    }

    /// Answers the standard geohashes of members.
    ///
    /// `GEOHASH key [member [member ...]]`, O(1) a member.
    pub fn geohash(&self, key: impl Arg) -> Call<'_, Vec<Option<Bytes>>, Geohash> {
        Call::of(self, "geohash").key(key)
    }

    /// Answers the longitudes and latitudes of members.
    ///
    /// `GEOPOS key [member [member ...]]`, O(1) a member.
    pub fn geopos(&self, key: impl Arg) -> Call<'_, Vec<Option<(f64, f64)>>, Geopos> {
        Call::of(self, "geopos").key(key)
    }

    /// Answers or stores the members no further from a position than a radius.
    ///
    /// `GEORADIUS key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE storekey | STOREDIST storedistkey]`, O(N + log M) in the members around the circle and the size of the sorted set.
    ///
    /// Redis deprecated it in 6.2.0: use `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument.
    pub fn georadius(
        &self,
        key: impl Arg,
        longitude: f64,
        latitude: f64,
        radius: f64,
        unit: impl Arg,
    ) -> Call<'_, Value, Georadius> {
        Call::of(self, "georadius").key(key).arg(longitude).arg(latitude).arg(radius).arg(unit)
    }

    /// Answers the members no further from a position than a radius.
    ///
    /// `GEORADIUS_RO key longitude latitude radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`, O(N + log M) in the members around the circle and the size of the sorted set.
    ///
    /// Redis deprecated it in 6.2.0: use `GEOSEARCH` with the `BYRADIUS` argument.
    pub fn georadius_ro(
        &self,
        key: impl Arg,
        longitude: f64,
        latitude: f64,
        radius: f64,
        unit: impl Arg,
    ) -> Call<'_, Value, GeoradiusRo> {
        Call::of(self, "georadius_ro").key(key).arg(longitude).arg(latitude).arg(radius).arg(unit)
    }

    /// Answers or stores the members no further from a member than a radius.
    ///
    /// `GEORADIUSBYMEMBER key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC] [STORE storekey | STOREDIST storedistkey]`, O(N + log M) in the members around the circle and the size of the sorted set.
    ///
    /// Redis deprecated it in 6.2.0: use `GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments.
    pub fn georadiusbymember(
        &self,
        key: impl Arg,
        member: impl Arg,
        radius: f64,
        unit: impl Arg,
    ) -> Call<'_, Value, Georadiusbymember> {
        Call::of(self, "georadiusbymember").key(key).arg(member).arg(radius).arg(unit)
    }

    /// Answers the members no further from a member than a radius.
    ///
    /// `GEORADIUSBYMEMBER_RO key member radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]`, O(N + log M) in the members around the circle and the size of the sorted set.
    ///
    /// Redis deprecated it in 6.2.0: use `GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments.
    pub fn georadiusbymember_ro(
        &self,
        key: impl Arg,
        member: impl Arg,
        radius: f64,
        unit: impl Arg,
    ) -> Call<'_, Value, GeoradiusbymemberRo> {
        Call::of(self, "georadiusbymember_ro").key(key).arg(member).arg(radius).arg(unit)
    }

    /// Answers the members in a circle or a box.
    ///
    /// `GEOSEARCH key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`, O(N + log M) in the members around the area and the size of the sorted set.
    pub fn geosearch(&self, key: impl Arg) -> Call<'_, Value, Geosearch> {
        Call::of(self, "geosearch").key(key)
    }

    /// Stores the members in a circle or a box.
    ///
    /// `GEOSEARCHSTORE destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> [ASC | DESC] [COUNT count [ANY]] [STOREDIST]`, O(N + log M) in the members around the area and the size of the sorted set.
    pub fn geosearchstore(
        &self,
        destination: impl Arg,
        source: impl Arg,
    ) -> Call<'_, i64, Geosearchstore> {
        Call::of(self, "geosearchstore").key(destination).key(source)
    }
}

/// The command GEOADD: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geoadd;

impl<T> Call<'_, T, Geoadd> {
    /// `NX`
    pub fn nx(self) -> Self {
        self.arg("NX")
    }

    /// `XX`
    pub fn xx(self) -> Self {
        self.arg("XX")
    }

    /// `CH`
    pub fn ch(self) -> Self {
        self.arg("CH")
    }

    /// `longitude latitude member`
    pub fn data(self, longitude: f64, latitude: f64, member: impl Arg) -> Self {
        self.arg(longitude).arg(latitude).arg(member)
    }
}

/// The command GEODIST: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geodist;

impl<T> Call<'_, T, Geodist> {
    /// `M`
    pub fn m(self) -> Self {
        self.arg("M")
    }

    /// `KM`
    pub fn km(self) -> Self {
        self.arg("KM")
    }

    /// `FT`
    pub fn ft(self) -> Self {
        self.arg("FT")
    }

    /// `MI`
    pub fn mi(self) -> Self {
        self.arg("MI")
    }
}

/// The command GEOHASH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geohash;

impl<T> Call<'_, T, Geohash> {
    /// `member`
    pub fn member(self, members: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(members)
    }
}

/// The command GEOPOS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geopos;

impl<T> Call<'_, T, Geopos> {
    /// `member`
    pub fn member(self, members: impl IntoIterator<Item = impl Arg>) -> Self {
        self.args(members)
    }
}

/// The command GEORADIUS: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Georadius;

impl<T> Call<'_, T, Georadius> {
    /// `WITHCOORD`
    pub fn withcoord(self) -> Self {
        self.arg("WITHCOORD")
    }

    /// `WITHDIST`
    pub fn withdist(self) -> Self {
        self.arg("WITHDIST")
    }

    /// `WITHHASH`
    pub fn withhash(self) -> Self {
        self.arg("WITHHASH")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `STORE storekey`
    pub fn store(self, storekey: impl Arg) -> Self {
        self.arg("STORE").key(storekey)
    }

    /// `STOREDIST storedistkey`
    pub fn storedist(self, storedistkey: impl Arg) -> Self {
        self.arg("STOREDIST").key(storedistkey)
    }
}

/// The command GEORADIUS_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct GeoradiusRo;

impl<T> Call<'_, T, GeoradiusRo> {
    /// `WITHCOORD`
    pub fn withcoord(self) -> Self {
        self.arg("WITHCOORD")
    }

    /// `WITHDIST`
    pub fn withdist(self) -> Self {
        self.arg("WITHDIST")
    }

    /// `WITHHASH`
    pub fn withhash(self) -> Self {
        self.arg("WITHHASH")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }
}

/// The command GEORADIUSBYMEMBER: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Georadiusbymember;

impl<T> Call<'_, T, Georadiusbymember> {
    /// `WITHCOORD`
    pub fn withcoord(self) -> Self {
        self.arg("WITHCOORD")
    }

    /// `WITHDIST`
    pub fn withdist(self) -> Self {
        self.arg("WITHDIST")
    }

    /// `WITHHASH`
    pub fn withhash(self) -> Self {
        self.arg("WITHHASH")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `STORE storekey`
    pub fn store(self, storekey: impl Arg) -> Self {
        self.arg("STORE").key(storekey)
    }

    /// `STOREDIST storedistkey`
    pub fn storedist(self, storedistkey: impl Arg) -> Self {
        self.arg("STOREDIST").key(storedistkey)
    }
}

/// The command GEORADIUSBYMEMBER_RO: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct GeoradiusbymemberRo;

impl<T> Call<'_, T, GeoradiusbymemberRo> {
    /// `WITHCOORD`
    pub fn withcoord(self) -> Self {
        self.arg("WITHCOORD")
    }

    /// `WITHDIST`
    pub fn withdist(self) -> Self {
        self.arg("WITHDIST")
    }

    /// `WITHHASH`
    pub fn withhash(self) -> Self {
        self.arg("WITHHASH")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }
}

/// The command GEOSEARCH: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geosearch;

impl<T> Call<'_, T, Geosearch> {
    /// `FROMMEMBER member`
    pub fn frommember(self, member: impl Arg) -> Self {
        self.arg("FROMMEMBER").arg(member)
    }

    /// `FROMLONLAT longitude latitude`
    pub fn fromlonlat(self, longitude: f64, latitude: f64) -> Self {
        self.arg("FROMLONLAT").arg(longitude).arg(latitude)
    }

    /// `BYRADIUS radius M KM FT MI`
    pub fn byradius(self, radius: f64, unit: impl Arg) -> Self {
        self.arg("BYRADIUS").arg(radius).arg(unit)
    }

    /// `BYBOX width height M KM FT MI`
    pub fn bybox(self, width: f64, height: f64, unit: impl Arg) -> Self {
        self.arg("BYBOX").arg(width).arg(height).arg(unit)
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `WITHCOORD`
    pub fn withcoord(self) -> Self {
        self.arg("WITHCOORD")
    }

    /// `WITHDIST`
    pub fn withdist(self) -> Self {
        self.arg("WITHDIST")
    }

    /// `WITHHASH`
    pub fn withhash(self) -> Self {
        self.arg("WITHHASH")
    }
}

/// The command GEOSEARCHSTORE: what its calls can be given besides.
#[derive(Debug, Clone, Copy)]
pub struct Geosearchstore;

impl<T> Call<'_, T, Geosearchstore> {
    /// `FROMMEMBER member`
    pub fn frommember(self, member: impl Arg) -> Self {
        self.arg("FROMMEMBER").arg(member)
    }

    /// `FROMLONLAT longitude latitude`
    pub fn fromlonlat(self, longitude: f64, latitude: f64) -> Self {
        self.arg("FROMLONLAT").arg(longitude).arg(latitude)
    }

    /// `BYRADIUS radius M KM FT MI`
    pub fn byradius(self, radius: f64, unit: impl Arg) -> Self {
        self.arg("BYRADIUS").arg(radius).arg(unit)
    }

    /// `BYBOX width height M KM FT MI`
    pub fn bybox(self, width: f64, height: f64, unit: impl Arg) -> Self {
        self.arg("BYBOX").arg(width).arg(height).arg(unit)
    }

    /// `ASC`
    pub fn asc(self) -> Self {
        self.arg("ASC")
    }

    /// `DESC`
    pub fn desc(self) -> Self {
        self.arg("DESC")
    }

    /// `COUNT count`
    pub fn count(self, count: i64) -> Self {
        self.arg("COUNT").arg(count)
    }

    /// `ANY`
    pub fn any(self) -> Self {
        self.arg("ANY")
    }

    /// `STOREDIST`
    pub fn storedist(self) -> Self {
        self.arg("STOREDIST")
    }
}
