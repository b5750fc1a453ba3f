//! Scores, geohashes and distances as Redis 7.0 answers them, and what holds of all positions.

use super::cell::{Cell, STEPS_MAX};
use super::*;
use crate::base::rng::Rng;

fn at(longitude: f64, latitude: f64) -> Position {
    Position::new(longitude, latitude).unwrap()
}

/// Uniform between `-max` and `max`.
fn degrees(rng: &mut Rng, max: f64) -> f64 {
    rng.below(1 << 40) as f64 / (1u64 << 39) as f64 * max - max
}

#[test]
fn known_places_have_the_scores_that_redis_gives_them() {
    let check = |(longitude, latitude): (f64, f64), score: f64, geohash: &str| {
        let position = at(longitude, latitude);
        assert_eq!(position.score(), score, "{position:?}");
        let middle = Position::of_score(score);
        assert_eq!(std::str::from_utf8(&middle.geohash()).unwrap(), geohash, "{position:?}");
        assert!((middle.longitude - longitude).abs() < 360.0 / f64::from(1 << STEPS_MAX));
        assert!((middle.latitude - latitude).abs() < 180.0 / f64::from(1 << STEPS_MAX));
    };
    check((13.361389, 38.115556), 3_479_099_956_230_698.0, "sqc8b49rny0");
    check((15.087269, 37.502669), 3_479_447_370_796_909.0, "sqdtr74hyu0");
    check((-180.0, -LATITUDE_MAX), 0.0, "00bh0hbj200");
    assert!(at(180.0, LATITUDE_MAX).score() > (1u64 << 52) as f64, "one too far");
}

#[test]
fn known_distances_are_those_of_redis() {
    let [palermo, catania] =
        [3_479_099_956_230_698.0, 3_479_447_370_796_909.0].map(Position::of_score);
    let distance_m = palermo.distance_m(catania);
    assert!((distance_m - 166_274.151_6).abs() < 0.000_1, "{distance_m}");
    assert_eq!(distance_m, catania.distance_m(palermo));
    assert_eq!(palermo.distance_m(palermo), 0.0);
}

#[test]
fn positions_off_the_map_are_refused() {
    assert_eq!(Position::new(180.000_1, 0.0), None);
    assert_eq!(Position::new(-180.000_1, 0.0), None);
    assert_eq!(Position::new(0.0, 85.051_128_79), None);
    assert_eq!(Position::new(0.0, f64::NEG_INFINITY), None);
}

#[test]
fn scores_that_are_no_positions_are_read_as_some() {
    let scores = [-1.0, -1e300, 1e300, 0.5, 1e19, 9.3e18, f64::INFINITY, f64::NEG_INFINITY];
    for score in scores {
        let Position { longitude, latitude } = Position::of_score(score);
        assert!(Position::new(longitude, latitude).is_some(), "{score}");
    }
}

#[test]
fn cells_go_around_the_map() {
    for steps in [1, 2, 7, STEPS_MAX] {
        let corner = Cell::of(at(-180.0, -LATITUDE_MAX), LATITUDE_MAX, steps);
        let opposite = corner.moved(-1, -1);
        assert_eq!(opposite.bits, u64::MAX >> (64 - 2 * steps));
        assert_eq!(opposite.moved(1, 1), corner);
        assert_eq!(corner.moved(1, 0).moved(-1, 0), corner);
        assert_eq!(corner.moved(0, 1).bits, 1);
        assert_eq!(corner.moved(1, 0).bits, 2);
    }
}

#[test]
fn all_that_is_near_is_in_the_cells_that_are_searched() {
    let mut rng = Rng::seeded(11);
    let (mut inside, mut tried) = (0, 0);
    while inside < 20_000 {
        tried += 1;
        let center = at(degrees(&mut rng, 150.0), degrees(&mut rng, 60.0));
        // Half a metre to half a thousand kilometres.
        let reach_m = f64::from(1 << rng.below(20)) / 2.0;
        let shape = match rng.below(2) {
            0 => Shape::Circle(reach_m / 1000.0),
            _ => Shape::Box(reach_m / 500.0, reach_m / 1000.0),
        };
        let area = Area { center, shape, unit_m: 1000.0 };
        let spread = reach_m / 60_000.0;
        let near = at(
            center.longitude + degrees(&mut rng, spread),
            center.latitude + degrees(&mut rng, spread),
        );
        let near = Position::of_score(near.score());
        let Some(distance_m) = area.distance_m(near) else { continue };
        assert!(distance_m <= reach_m * 1.2);
        inside += 1;
        let score = near.score();
        let is_searched = area.scores().any(|(from, end)| (from..end).contains(&score));
        assert!(is_searched, "{area:?} {near:?}");
    }
    assert!(tried < 400_000, "{tried}");
}

#[test]
fn the_centre_is_searched_first_and_no_cell_twice() {
    let mut rng = Rng::seeded(12);
    for _ in 0..5_000 {
        let center = at(degrees(&mut rng, 179.9), degrees(&mut rng, 85.0));
        let radius = (1u64 << rng.below(28)) as f64;
        let area = Area { center, shape: Shape::Circle(radius), unit_m: 1.0 };
        let ranges: Vec<(f64, f64)> = area.scores().collect();
        assert!((ranges[0].0..ranges[0].1).contains(&center.score()));
        let mut sorted = ranges.clone();
        sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(sorted.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{area:?} {ranges:?}");
    }
}

#[test]
fn a_search_of_the_whole_earth_has_four_cells() {
    let area = Area { center: at(1.0, 1.0), shape: Shape::Circle(1e9), unit_m: 1.0 };
    assert_eq!(area.scores().count(), 4);
    let nothing = Area { center: at(1.0, 1.0), shape: Shape::Circle(0.0), unit_m: 1.0 };
    assert!(nothing.scores().count() <= 9);
}

#[test]
fn the_first_are_those_of_a_sorted_slice() {
    let mut rng = Rng::seeded(13);
    for _ in 0..3_000 {
        let len = rng.below(200) as usize;
        let values = 1 + rng.below(60);
        let items: Vec<(u64, usize)> = (0..len).map(|nth| (rng.below(values), nth)).collect();
        let mut sorted: Vec<u64> = items.iter().map(|item| item.0).collect();
        sorted.sort_unstable();
        let wanted = rng.below(len as u64 + 2) as usize;
        let mut some = items.clone();
        sort_first(&mut some, wanted, |a, b| a.0.cmp(&b.0));
        let wanted = wanted.min(len);
        let first: Vec<u64> = some[..wanted].iter().map(|item| item.0).collect();
        assert_eq!(first, sorted[..wanted]);
        some.sort_unstable_by_key(|item| item.1);
        assert_eq!(some, items, "nothing is lost");
    }
}

#[test]
fn equals_keep_their_order_if_all_are_sorted() {
    let mut items: Vec<(u32, u32)> = (0..100).map(|nth| (nth % 3, nth)).collect();
    sort_first(&mut items, 100, |a, b| a.0.cmp(&b.0));
    assert!(items.is_sorted());
}
