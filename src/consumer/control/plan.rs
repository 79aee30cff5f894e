//! The plan: how an amount becomes counts of parts of five sizes.

/// How many sizes a scheme has.
pub const CLASSES: usize = 5;

/// The sizes of a group's parts, and how many of each are aimed at.
#[derive(Debug, PartialEq, Eq)]
pub struct Scheme {
    /// In bytes, each four times the one before.
    pub sizes: [u64; CLASSES],
    /// So many of each size before the next larger one gets more.
    pub aim: u64,
}

/// Memory: 256 KiB to 64 MiB, 20 of each.
pub const MEMORY: Scheme = Scheme { sizes: [256 << 10, 1 << 20, 4 << 20, 16 << 20, 64 << 20], aim: 20 };
/// Files: 512 KiB to 128 MiB, 25 of each.
pub const FILES: Scheme = Scheme { sizes: [512 << 10, 2 << 20, 8 << 20, 32 << 20, 128 << 20], aim: 25 };

/// Counts of parts of each size of a scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Parts of each size, in the scheme's order.
    pub counts: [u64; CLASSES],
    /// One more part of so many bytes: what an exact amount has left over. 0 is none.
    pub odd: u64,
    scheme: &'static Scheme,
}

impl Plan {
    /// The plan that holds nothing.
    pub const fn empty(scheme: &'static Scheme) -> Self {
        Self { counts: [0; CLASSES], odd: 0, scheme }
    }

    /// What there is of each size, seen as a plan.
    pub const fn of_counts(scheme: &'static Scheme, counts: [u64; CLASSES]) -> Self {
        Self { counts, odd: 0, scheme }
    }

    /// The plan for exactly `bytes`, or for as little more as whole units of `unit` bytes need: as many parts as fit
    /// whole, and an odd one.
    pub fn exact(scheme: &'static Scheme, bytes: u64, unit: u64) -> Self {
        let mut counts = [0; CLASSES];
        let mut left = bytes.checked_next_multiple_of(unit).unwrap_or(bytes);
        for (count, &size) in counts.iter_mut().zip(&scheme.sizes) {
            *count = (left / size).min(scheme.aim);
            left -= *count * size;
        }
        let largest = scheme.sizes[CLASSES - 1];
        counts[CLASSES - 1] += left / largest;
        Self { counts, odd: left % largest, scheme }
    }

    /// The same with an odd part.
    pub const fn with_odd(self, odd: u64) -> Self {
        Self { odd, ..self }
    }

    /// The plan for `bytes`, by the contract's rule: small sizes first, then what is over in the largest, and a rest
    /// rounded up in the smallest size of which three would do.
    pub fn new(scheme: &'static Scheme, bytes: u64) -> Self {
        let mut counts = [0; CLASSES];
        let mut left = bytes;
        let mut rest = 0;
        for (count, &size) in counts.iter_mut().zip(&scheme.sizes) {
            rest = left % size;
            *count = (left / size).min(scheme.aim);
            left -= *count * size;
        }
        let largest = scheme.sizes[CLASSES - 1];
        if left > largest {
            counts[CLASSES - 1] += left / largest;
            rest = left % largest;
        }
        if rest > 0 {
            // The rest is less than the largest size, so at the latest that one will do.
            let rounded = counts.iter_mut().zip(&scheme.sizes).find(|&(_, size)| rest <= 3 * size);
            if let Some((count, size)) = rounded {
                *count += rest.div_ceil(*size);
            }
        }
        Self { counts, odd: 0, scheme }
    }

    /// The plan for `bytes`, less what is not a whole part of the smallest size, that is nearest to this one, for an amount
    /// that is changed some times a second. What is exchanged for other parts is missing until these are there: so little is.
    /// The second size is taken first, so that only parts of this size become others; the third comes where there are many
    /// of these, which is far from nothing; the two largest do not come anew, and no odd part.
    pub fn near(&self, bytes: u64) -> Self {
        /// So many parts of one size are one of the next, in every scheme.
        const NEXT: u64 = 4;
        /// So many parts of the second size are taken before any of the third, and at most twice as many: their sum is 64 parts
        /// of the third, of which one is then little.
        const MANY: u64 = 64 * NEXT;
        let [small, middle, large, ..] = self.scheme.sizes;
        let goal = bytes - bytes % small;
        let mut near = self.with_odd(0);
        let mut total = near.total();
        for (class, size) in self.scheme.sizes.iter().enumerate().rev() {
            let going = (total.saturating_sub(goal) / size).min(near.counts[class]);
            near.counts[class] -= going;
            total -= going * size;
        }
        // What is still too much is less than any part, so the smallest goes, and smaller ones come.
        if let Some(class) = (0..CLASSES).find(|&class| total > goal && near.counts[class] > 0) {
            near.counts[class] -= 1;
            total -= self.scheme.sizes[class];
        }
        let room = MANY.saturating_sub(near.counts[1]) * middle;
        for (class, coming) in [(2, (goal - total).saturating_sub(room) / large), (1, u64::MAX), (0, u64::MAX)] {
            let coming = coming.min((goal - total) / self.scheme.sizes[class]);
            near.counts[class] += coming;
            total += coming * self.scheme.sizes[class];
        }
        let together = near.counts[0].saturating_sub(NEXT) / NEXT;
        near.counts[0] -= together * NEXT;
        near.counts[1] += together;
        if near.counts[1] >= 2 * MANY + NEXT {
            near.counts[1] -= NEXT;
            near.counts[2] += 1;
        }
        near
    }

    /// The plan's parts: their size in bytes, and how many. The odd one is not among them.
    pub fn parts(&self) -> impl Iterator<Item = (u64, u64)> {
        self.scheme.sizes.iter().copied().zip(self.counts)
    }

    /// The sum of all parts, in bytes. Rounding makes it up to a quarter of the largest size more than was asked for,
    /// and the original's rule, at a few amounts, less.
    pub fn total(&self) -> u64 {
        self.parts().fold(self.odd, |sum, (size, count)| sum.saturating_add(size.saturating_mul(count)))
    }

    /// How many bytes have to be given back and taken again to come from `held` to this plan: classes shrink while
    /// others grow.
    pub fn exchanged(&self, held: &Self) -> u64 {
        let parts = self.parts().zip(held.counts);
        let odd = if self.odd == held.odd { 0 } else { self.odd };
        let taken = parts.fold(odd, |sum, ((size, wanted), there)| {
            sum.saturating_add(size.saturating_mul(wanted.saturating_sub(there)))
        });
        taken.saturating_sub(self.total().saturating_sub(held.total()))
    }

    /// The largest amount, at most `most`, whose plan's total is at most `room`.
    pub fn largest_amount(scheme: &'static Scheme, most: u64, room: u64) -> u64 {
        let unit = scheme.sizes[0];
        let largest = scheme.sizes[CLASSES - 1];
        // A total is at most one largest part below its amount. Between two multiples of the smallest size all
        // amounts have the same plan, so looking at the last of each stretch, and at each multiple, is looking at all.
        let mut amount = most.min(room.saturating_add(2 * largest));
        while amount > 0 && Self::new(scheme, amount).total() > room {
            let multiple = amount - amount % unit;
            amount = if multiple == amount { amount - 1 } else { multiple };
        }
        amount
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every line of the contract's recordings: an amount and its five counts.
    fn check(scheme: &'static Scheme, recordings: &str) {
        for line in recordings.lines() {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            assert_eq!(Plan::new(scheme, numbers[0]).counts, numbers[1..], "{}", numbers[0]);
        }
    }

    #[test]
    fn plans_are_the_originals() {
        check(&MEMORY, include_str!("../../../tests/contract/mem-plan.txt"));
        check(&FILES, include_str!("../../../tests/contract/disk-plan.txt"));
    }

    #[test]
    fn classes_that_shrink_while_others_grow_are_exchanged() {
        let plan = |counts| Plan::of_counts(&MEMORY, counts);
        let (small, large) = (MEMORY.sizes[0], MEMORY.sizes[4]);
        assert_eq!(plan([0, 0, 0, 0, 1]).exchanged(&plan([0, 0, 0, 3, 0])), 3 * MEMORY.sizes[3]);
        assert_eq!(plan([3, 0, 0, 0, 0]).exchanged(&plan([0, 0, 0, 0, 1])), 3 * small);
        assert_eq!(plan([3, 0, 0, 0, 1]).exchanged(&plan([1, 0, 0, 0, 0])), 0);
        assert_eq!(plan([0; 5]).exchanged(&plan([9; 5])), 0);
        assert!(plan([0, 0, 0, 0, 2]).exchanged(&plan([5, 0, 0, 0, 0])) < large);
    }

    #[test]
    fn the_original_loses_a_largest_part_at_one_amount() {
        // 20 of each size and exactly one more of the largest: "more than the largest" is not met.
        let twenty_each: u64 = MEMORY.sizes.iter().map(|size| 20 * size).sum();
        let plan = Plan::new(&MEMORY, twenty_each + (64 << 20));
        assert_eq!(plan.counts, [20, 20, 20, 20, 20]);
    }

    proptest::proptest! {
        #[test]
        fn exact_plans_are_exact(bytes in 0u64..1 << 50) {
            let plan = Plan::exact(&FILES, bytes, 1);
            proptest::prop_assert_eq!(plan.total(), bytes);
            proptest::prop_assert!(plan.odd < FILES.sizes[4]);
            let pages = Plan::exact(&MEMORY, bytes, 4096).total();
            proptest::prop_assert!(pages >= bytes && pages - bytes < 4096);
        }

        #[test]
        fn totals_stay_near_the_amount(bytes in 0u64..1 << 50) {
            for scheme in [&MEMORY, &FILES] {
                let total = Plan::new(scheme, bytes).total();
                let largest = scheme.sizes[CLASSES - 1];
                proptest::prop_assert!(total <= bytes + largest / 4, "{bytes}: {total}");
                proptest::prop_assert!(total + largest >= bytes, "{bytes}: {total}");
            }
        }

        #[test]
        fn the_largest_amount_fits_and_nothing_above_it_does(room in 0u64..6 << 30, above in 1u64..200 << 20) {
            for scheme in [&MEMORY, &FILES] {
                let amount = Plan::largest_amount(scheme, u64::MAX, room);
                proptest::prop_assert!(Plan::new(scheme, amount).total() <= room);
                proptest::prop_assert!(Plan::new(scheme, amount + above).total() > room);
                proptest::prop_assert!(Plan::new(scheme, amount + 1).total() > room);
                proptest::prop_assert!(Plan::largest_amount(scheme, amount / 2, room) <= amount / 2);
            }
        }

        #[test]
        fn a_plan_that_is_near_takes_few_parts_and_exchanges_little(
            first in 0u64..2 << 30,
            steps in proptest::collection::vec((-40i64 << 20)..40 << 20, 1..60),
        ) {
            for scheme in [&MEMORY, &FILES] {
                let [small, middle, large, ..] = scheme.sizes;
                // From nothing, or from whatever a client has asked for.
                for before in [Plan::empty(scheme), Plan::new(scheme, first)] {
                    let (mut amount, mut plan) = (first, before.near(first));
                    for step in &steps {
                        amount = amount.saturating_add_signed(*step);
                        let next = plan.near(amount);
                        proptest::prop_assert_eq!(next.total(), amount - amount % small);
                        proptest::prop_assert!(next.counts[0] < 8 && next.counts[1] < 520 && next.odd == 0, "{next:?}");
                        // A part of a larger size becomes others where the smaller ones are too few to go.
                        let (mut broken, mut below) = (0, 0);
                        for (size, count) in plan.parts() {
                            if size >= large && count > 0 && below < plan.total().saturating_sub(next.total()) {
                                broken = size;
                            }
                            below += size * count;
                        }
                        // Four of the second size become one of the third where these are little.
                        let little = if next.total() >= 64 * large { large } else { 0 };
                        let exchanged = next.exchanged(&plan);
                        proptest::prop_assert!(exchanged <= 2 * middle + little + broken, "{exchanged}: {plan:?} {next:?}");
                        plan = next;
                    }
                }
            }
        }

        #[test]
        fn any_amount_has_a_plan(bytes: u64) {
            let _ = Plan::new(&MEMORY, bytes).total();
        }
    }
}
