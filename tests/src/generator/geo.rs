//! Random commands about positions on the earth.

use super::commands::line;
use super::{Args, Generator};

/// Where rounding, rims and errors are.
const LONGITUDES: &[&str] = &[
    "0",
    "-0",
    "180",
    "-180",
    "179.999999",
    "-179.999999",
    "90",
    "-90",
    "1e-9",
    "180.0000001",
    "181",
    "inf",
    "-inf",
    "nan",
    "x",
    "",
    "0x10",
    "5.",
    ".5",
];

const LATITUDES: &[&str] = &[
    "0",
    "-0",
    "85.05112878",
    "-85.05112878",
    "85.05",
    "66",
    "-66.1",
    "80.5",
    "-80.1",
    "85.05112879",
    "-86",
    "1e-9",
    "nan",
    "y",
];

const LENGTHS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e-9",
    "0.5",
    "1",
    "20037.72637",
    "20037726.37",
    "1e9",
    "1e300",
    "inf",
    "nan",
    "x",
];

const UNITS: &[&str] = &["m", "km", "km", "mi", "ft", "M", "Km", "yd"];

impl Generator {
    fn geo_key(&mut self) -> Vec<u8> {
        if self.one_in(8) {
            return self.zset_key();
        }
        let name = format!("G{}", self.rng.u32(..5)).into_bytes();
        self.tagged(name)
    }

    /// Few members, so that they meet; now and then one of a sorted set.
    fn place(&mut self) -> Vec<u8> {
        if self.one_in(10) { self.element() } else { format!("p{}", self.rng.u32(..200)).into() }
    }

    /// A longitude and a latitude: anywhere, around one place, on a grid where many are as far as others, or at a rim.
    fn position(&mut self) -> [Vec<u8>; 2] {
        let fine = |rng: &mut fastrand::Rng, max: f64| (rng.f64() * 2.0 - 1.0) * max;
        let [longitude, latitude] = match self.rng.u32(..12) {
            0..=3 => [fine(&mut self.rng, 180.0), fine(&mut self.rng, 85.05)],
            4..=6 => [15.0 + fine(&mut self.rng, 0.5), 37.0 + fine(&mut self.rng, 0.5)],
            7..=9 => [f64::from(self.rng.i32(-4..5)), f64::from(self.rng.i32(-2..3))],
            10 => [180.0 - self.rng.f64() * 0.01, fine(&mut self.rng, 0.01)],
            _ if self.one_in(3) => {
                return [self.pick(LONGITUDES).into(), self.pick(LATITUDES).into()];
            }
            _ => [fine(&mut self.rng, 180.0), 85.05 - self.rng.f64() * 20.0],
        };
        [longitude, latitude].map(|degrees| degrees.to_string().into_bytes())
    }

    fn length(&mut self) -> Vec<u8> {
        match self.rng.u32(..12) {
            0 => self.pick(LENGTHS).into(),
            1..=2 => self.rng.u32(..100).to_string().into(),
            // From a millimetre to around the earth, in whatever unit.
            _ => {
                let exponent = self.rng.i32(-3..8);
                ((1.0 + 9.0 * self.rng.f64()) * 10f64.powi(exponent)).to_string().into()
            }
        }
    }

    fn circle(&mut self) -> Args {
        vec![self.length(), self.pick(UNITS).into()]
    }

    fn center_and_shape(&mut self) -> Args {
        let mut args = match self.rng.u32(..9) {
            0..=3 => line("FROMMEMBER", [self.place()]),
            4..=7 => line("FROMLONLAT", self.position()),
            _ => Vec::new(),
        };
        match self.rng.u32(..9) {
            0..=4 => args.extend([line("BYRADIUS", []), self.circle()].concat()),
            5..=7 => args.extend([line("BYBOX", [self.length()]), self.circle()].concat()),
            _ => args.push("FROMMEMBER".into()),
        }
        args
    }

    /// What all searches know.
    fn search_options(&mut self, stores: bool) -> Args {
        let mut args = Args::new();
        for _ in 0..self.below(4) {
            match self.rng.u32(..9) {
                0..=1 => args.push(self.one("ASC", "DESC").into()),
                2..=3 => {
                    let count = if self.one_in(6) {
                        self.integer()
                    } else {
                        (1 + self.rng.u32(..60)).to_string().into()
                    };
                    args.extend(line("COUNT", [count]));
                    if self.one_in(3) {
                        args.push("ANY".into());
                    }
                }
                8 if self.one_in(5) => args.push(self.one("ANY", "nope").into()),
                _ if stores && !self.one_in(12) => {}
                _ => args.push(self.pick(&["WITHDIST", "WITHCOORD", "WITHHASH"]).into()),
            }
        }
        args
    }

    pub(super) fn geo_command(&mut self) -> Args {
        let key = self.geo_key();
        match self.rng.u32(..24) {
            0..=8 => {
                let mut args = line("GEOADD", [key]);
                if self.one_in(4) {
                    args.extend(self.options(&[("NX", ""), ("XX", ""), ("CH", ""), ("GT", "")]));
                }
                let count = if self.one_in(6) { 60 } else { 1 + self.below(6) };
                for _ in 0..count {
                    args.extend(self.position());
                    args.push(self.place());
                }
                args
            }
            9 => [line(self.one("GEOPOS", "GEOHASH"), [key]), self.places()].concat(),
            10 => {
                let mut args = line("GEODIST", [key, self.place(), self.place()]);
                if self.one_in(2) {
                    args.push(self.pick(UNITS).into());
                }
                args
            }
            11..=15 => {
                [line("GEOSEARCH", [key]), self.center_and_shape(), self.search_options(false)]
                    .concat()
            }
            16..=18 => {
                let to = self.geo_key();
                let mut args = line("GEOSEARCHSTORE", [to, key]);
                args.extend(self.center_and_shape());
                args.extend(self.search_options(true));
                if self.one_in(3) {
                    args.push("STOREDIST".into());
                }
                args
            }
            _ => self.radius_command(key),
        }
    }

    fn places(&mut self) -> Args {
        (0..self.below(5)).map(|_| self.place()).collect()
    }

    /// GEORADIUS and its kin.
    fn radius_command(&mut self, key: Vec<u8>) -> Args {
        let (name, center) = if self.rng.bool() {
            (self.pick(&["GEORADIUS", "GEORADIUS", "GEORADIUS_RO"]), self.position().to_vec())
        } else {
            let names = ["GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"];
            (self.pick(&names), vec![self.place()])
        };
        let stores = self.one_in(3);
        let mut args =
            [line(name, [key]), center, self.circle(), self.search_options(stores)].concat();
        if stores {
            let to = self.geo_key();
            args.extend(line(self.one("STORE", "STOREDIST"), [to]));
        }
        args
    }
}
