//! Numbers that look random and are a function of a seed and a number: no sequence has to be played to know one of them.

/// A number from 0 to below 1 for this seed, this number of an interval, and this use of it.
pub fn chance(seed: u64, number: u64, of: u64) -> f64 {
    let bits = mixed(mixed(mixed(seed) ^ number) ^ of);
    // As many bits as a floating-point number has.
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// A number from 0 to below 1 for a name.
pub fn chance_of_name(name: &str) -> f64 {
    chance(hash(name), 0, 0)
}

/// A number that is another one for another text, unless somebody looks for two that are alike.
pub fn hash(text: &str) -> u64 {
    // FNV-1a.
    let add = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325u64, add)
}

/// Each bit of what comes out depends on all that goes in: the step and finalizer of SplitMix64.
fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_evenly() {
        for seed in 0..10 {
            let all: Vec<f64> = (0..10_000).map(|number| chance(seed, number, 1)).collect();
            assert!(all.iter().all(|number| (0.0..1.0).contains(number)));
            let mean = all.iter().sum::<f64>() / all.len() as f64;
            let low = all.iter().filter(|number| **number < 0.1).count();
            assert!((mean - 0.5).abs() < 0.02 && low.abs_diff(1000) < 150, "{mean} {low}");
        }
        assert_ne!(chance(1, 2, 3), chance(1, 3, 2));
        assert_ne!(chance_of_name("web-1"), chance_of_name("web-2"));
    }
}
