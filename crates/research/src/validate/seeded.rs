//! Random numbers of a seed.

/// SplitMix64: a seeded generator whose numbers are the same on every machine.
///
/// Source: Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators, OOPSLA.
#[derive(Clone, Copy, Debug)]
pub struct Seeded(u64);

impl Seeded {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `below - 1`, each equally likely but for one part in 2^64; 0 for 0.
    pub fn below(&mut self, below: usize) -> usize {
        ((u128::from(self.bits()) * below as u128) >> 64) as usize
    }

    /// A number from 0 to below 1, in steps of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// A standard normal number, by the polar method.
    ///
    /// Source: Marsaglia, Bray (1964), SIAM Review 6(3), 260-264.
    pub fn normal(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.unit() - 1.0, 2.0 * self.unit() - 1.0);
            let s = u * u + v * v;
            // Ends after 1.27 turns on average: the point lies in the circle with probability pi / 4.
            if s > 0.0 && s < 1.0 {
                return u * (-2.0 * libm::log(s) / s).sqrt();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_first_numbers_and_the_moments() {
        // Of the reference implementation with the seed 1234567.
        let mut seeded = Seeded::new(1_234_567);
        assert_eq!([seeded.bits(), seeded.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
        let mut seeded = Seeded::new(7);
        let n = 200_000;
        let (mut sum, mut squares, mut fourth) = (0.0, 0.0, 0.0);
        for _ in 0..n {
            let z = seeded.normal();
            sum += z;
            squares += z * z;
            fourth += z * z * z * z;
        }
        let n = f64::from(n);
        // Four standard errors: 1, sqrt 2 and sqrt 96 over the root of n.
        assert!((sum / n).abs() < 4.0 / n.sqrt());
        assert!((squares / n - 1.0).abs() < 4.0 * 2f64.sqrt() / n.sqrt());
        assert!((fourth / n - 3.0).abs() < 4.0 * 96f64.sqrt() / n.sqrt());
        assert!((0..1_000).all(|_| seeded.below(3) < 3));
        assert_eq!(seeded.below(0), 0);
    }
}
