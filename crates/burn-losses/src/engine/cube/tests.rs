//! How a kernel finds its way in memory, run on this processor.

use super::rows::{RowLayout, start};
use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_row_leads_out_of_its_tensor(
        (outer, length, inner) in (1usize..40, 1usize..40, 1usize..40),
        padding in 0usize..9,
        (row, element) in (any::<usize>(), any::<usize>()),
    ) {
        let rows = outer * inner;
        let layout = RowLayout { rows, length, inner, pitch: length, gradient_pitch: length };
        let (row, element) = (row % rows, element % length);
        let adjacent = inner == 1;
        let pitch = if adjacent { length + padding } else { length };
        let at = start(row, pitch, &layout, adjacent) + element * inner;
        prop_assert!(at < (outer - 1) * pitch * inner + length * inner);
        // Nobody else is there.
        let expected = row / inner * pitch * inner + element * inner + row % inner;
        prop_assert_eq!(at, expected);
    }
}
