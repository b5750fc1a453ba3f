//! Positions on the earth, which sorted sets keep as scores: the cells that they lie in, distances, and where to look for those near a point.
//!
//! A score is the number of one of 2^52 cells, which [`cell`] numbers so that the cells of a square have consecutive numbers. Reading it gives the cell's middle.
//! The earth is a sphere; the cells end at the latitudes at which a Mercator map is a square.
//!
//! [`Area::scores`] covers what is searched with a cell about as large and its eight neighbours. Which cells those are, and their order, show in replies that are
//! not sorted, so both are Redis's, and so is the order of every rounding here.
//!
//! Sources: the pages of GEOADD, GEOHASH and GEOSEARCH on redis.io; EPSG:3857 for the limits; Sinnott, "Virtues of the Haversine" (1984); the replies
//! and scores of Redis 7.0.

mod cell;
mod order;
#[cfg(test)]
mod tests;

pub use order::sort_first;

use self::cell::{Cell, STEPS_MAX};
use std::f64::consts::PI;

/// The longitudes go from minus this to this, in degrees.
pub const LONGITUDE_MAX: f64 = 180.0;

/// The latitudes go from minus this to this, in degrees.
pub const LATITUDE_MAX: f64 = 85.05112878;

const EARTH_RADIUS_M: f64 = 6_372_797.560856;

/// Half the width of the map in the units of its projection: a search as wide is one of all cells.
const MAP_HALF_M: f64 = 20_037_726.37;

/// Degrees times this are radians.
const RADIANS: f64 = PI / 180.0;

/// Digits of standard geohashes, which leave out what is easily misread.
const GEOHASH_DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// Digits of a geohash as they are told: one more than 52 bits fill, which is 0.
const GEOHASH_LEN: usize = 11;

/// A position, in degrees.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Position {
    /// To the east.
    pub longitude: f64,
    /// To the north.
    pub latitude: f64,
}

impl Position {
    /// A position within the limits, else none.
    pub fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let is_known = (-LONGITUDE_MAX..=LONGITUDE_MAX).contains(&longitude)
            && (-LATITUDE_MAX..=LATITUDE_MAX).contains(&latitude);
        is_known.then_some(Position { longitude, latitude })
    }

    /// The score of the cell in which it lies.
    pub fn score(self) -> f64 {
        Cell::of(self, LATITUDE_MAX, STEPS_MAX).first_score()
    }

    /// The middle of the cell of that score. Any score gives a position; of what lies outside the map it is at the rim.
    pub fn of_score(score: f64) -> Self {
        let (longitudes, latitudes) = Cell::of_score(score).sides();
        Position {
            longitude: longitudes.middle().clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: latitudes.middle().clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The standard geohash, whose cells reach from pole to pole.
    pub fn geohash(self) -> [u8; GEOHASH_LEN] {
        let bits = Cell::of(self, 90.0, STEPS_MAX).bits;
        let mut text = [GEOHASH_DIGITS[0]; GEOHASH_LEN];
        for (nth, digit) in text.iter_mut().take(GEOHASH_LEN - 1).enumerate() {
            *digit = GEOHASH_DIGITS[(bits >> (52 - 5 * (nth + 1)) & 31) as usize];
        }
        text
    }

    /// The distance along a great circle, in metres.
    pub fn distance_m(self, other: Position) -> f64 {
        let [longitude, other_longitude] = [self, other].map(|at| at.longitude * RADIANS);
        let across = ((other_longitude - longitude) / 2.0).sin();
        if across == 0.0 {
            return latitude_distance_m(self.latitude, other.latitude);
        }
        let [latitude, other_latitude] = [self, other].map(|at| at.latitude * RADIANS);
        let along = ((other_latitude - latitude) / 2.0).sin();
        let haversine = along * along + latitude.cos() * other_latitude.cos() * across * across;
        2.0 * EARTH_RADIUS_M * haversine.sqrt().asin()
    }
}

/// The distance along a meridian, in metres.
fn latitude_distance_m(a: f64, b: f64) -> f64 {
    EARTH_RADIUS_M * (b * RADIANS - a * RADIANS).abs()
}

/// What a search looks for around its centre, in its own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// All that is no further away than this radius.
    Circle(f64),
    /// All that lies in a box of this width and height.
    Box(f64, f64),
}

/// What a search looks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    /// The middle.
    pub center: Position,
    /// What lies around it.
    pub shape: Shape,
    /// Metres of the shape's unit.
    pub unit_m: f64,
}

impl Area {
    /// How far a position is from the centre, in metres, if it is in the area.
    pub fn distance_m(&self, position: Position) -> Option<f64> {
        match self.shape {
            Shape::Circle(radius) => {
                let distance_m = self.center.distance_m(position);
                // One that is no number, which rounding can make of opposite ends of the earth, is not too far.
                let is_outside = distance_m > radius * self.unit_m;
                (!is_outside).then_some(distance_m)
            }
            Shape::Box(width, height) => {
                let up_m = latitude_distance_m(position.latitude, self.center.latitude);
                if up_m > height * self.unit_m / 2.0 {
                    return None;
                }
                let below = Position { latitude: position.latitude, ..self.center };
                if position.distance_m(below) > width * self.unit_m / 2.0 {
                    return None;
                }
                Some(self.center.distance_m(position))
            }
        }
    }

    /// The ranges of scores that hold all of the area and more, each from its first score up to but not with its last, in the order in which they are searched:
    /// the centre's cell, then those to the north, south, east, west, north-east, north-west, south-east and south-west.
    pub fn scores(&self) -> impl Iterator<Item = (f64, f64)> {
        const AROUND: [(i8, i8); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let (west, east, south, north) = self.rim();
        let mut center = Cell::of(self.center, LATITUDE_MAX, self.steps());
        let reaches = |center: Cell| {
            let neighbor = |columns, rows| center.moved(columns, rows).sides();
            let is_short = neighbor(0, 1).1.max < north
                || neighbor(0, -1).1.min > south
                || neighbor(1, 0).0.max < east
                || neighbor(-1, 0).0.min > west;
            !is_short
        };
        // The estimate can be too fine where the centre is near the rim of its cell.
        if center.steps > 1 && !reaches(center) {
            center = Cell::of(self.center, LATITUDE_MAX, center.steps - 1);
        }
        let (longitudes, latitudes) = center.sides();
        let is_fine = center.steps >= 2;
        let is_needed = move |&(columns, rows): &(i8, i8)| {
            let is_useless = rows < 0 && latitudes.min < south
                || rows > 0 && latitudes.max > north
                || columns < 0 && longitudes.min < west
                || columns > 0 && longitudes.max > east;
            !(is_fine && is_useless)
        };
        let mut before: Option<Cell> = None;
        AROUND.into_iter().filter(is_needed).filter_map(move |(columns, rows)| {
            let cell = center.moved(columns, rows);
            // Where there are two cells in a row, the neighbours to both sides are one.
            if before == Some(cell) {
                return None;
            }
            before = ((columns, rows) != (0, 0)).then_some(cell);
            Some((cell.first_score(), cell.end_score()))
        })
    }

    /// How fine the cells are that are searched: as fine as three in a row cover what is searched, mostly.
    fn steps(&self) -> u32 {
        let reach = match self.shape {
            Shape::Circle(radius) => radius,
            Shape::Box(width, height) => {
                ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
            }
        };
        let mut reach_m = reach * self.unit_m;
        if reach_m == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1;
        while reach_m < MAP_HALF_M {
            reach_m *= 2.0;
            steps += 1;
        }
        // Two less, so that the cells are larger than the reach; towards the poles they are narrower.
        steps -= 2;
        let latitude = self.center.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// The least and the greatest longitude and latitude of the area, about.
    fn rim(&self) -> (f64, f64, f64, f64) {
        let (width, height) = match self.shape {
            Shape::Circle(radius) => (radius, radius),
            Shape::Box(width, height) => (width / 2.0, height / 2.0),
        };
        let Position { longitude, latitude } = self.center;
        let up = self.unit_m * height / EARTH_RADIUS_M / RADIANS;
        // A degree of longitude is the shortest at the edge that is nearer to a pole.
        let edge = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = self.unit_m * width / EARTH_RADIUS_M / (edge * RADIANS).cos() / RADIANS;
        (longitude - aside, longitude + aside, latitude - up, latitude + up)
    }
}
