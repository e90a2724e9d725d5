//! Middle values of a few numbers, without panic.

use crate::rules::funding::{bias_rate, unbias_rate};

/// The two middle values, the lower one first; twice the same one if the count is odd. (0, 0) of
/// nothing.
pub fn middle(values: Span<u64>) -> (u64, u64) {
    // Three reporters are the common case, and a sort in general.
    if values.len() == 3 {
        let one = middle_of_three(*values[0], *values[1], *values[2]);
        return (one, one);
    }
    let sorted = sort(values);
    let count = sorted.len();
    if count == 0 {
        return (0, 0);
    }
    (*sorted[(count - 1) / 2], *sorted[count / 2])
}

/// The median rate in ppm of biased rates. Of an even count the median of the middle two and 0:
/// with as many faulty reporters as a mark tolerates, the rate stays between 0 and an honest one.
pub fn central_rate(rates: Span<u64>) -> i32 {
    if rates.len() == 0 {
        return 0;
    }
    let (low, high) = middle(rates);
    let zero = bias_rate(0);
    if zero < low || low == high {
        unbias_rate(low)
    } else if zero > high {
        unbias_rate(high)
    } else {
        0
    }
}

fn middle_of_three(a: u64, b: u64, c: u64) -> u64 {
    let (low, high) = if a < b {
        (a, b)
    } else {
        (b, a)
    };
    if c < low {
        low
    } else if c > high {
        high
    } else {
        c
    }
}

/// Rising.
fn sort(values: Span<u64>) -> Span<u64> {
    let mut sorted: Array<u64> = array![];
    for value in values {
        let mut next = array![];
        let mut placed = false;
        for other in sorted.span() {
            if !placed && value < other {
                next.append(*value);
                placed = true;
            }
            next.append(*other);
        }
        if !placed {
            next.append(*value);
        }
        sorted = next;
    }
    sorted.span()
}

#[cfg(test)]
mod tests {
    use crate::rules::funding::bias_rate;
    use super::{central_rate, middle};

    #[test]
    fn middle_of_each_count() {
        assert_eq!(middle(array![].span()), (0, 0));
        assert_eq!(middle(array![7].span()), (7, 7));
        assert_eq!(middle(array![9, 7].span()), (7, 9));
        assert_eq!(middle(array![9, 1, 7, 8].span()), (7, 8));
        assert_eq!(middle(array![9, 1, 7, 8, 100].span()), (8, 8));
    }

    #[test]
    fn three_in_every_order() {
        assert_eq!(middle(array![1, 2, 3].span()), (2, 2));
        assert_eq!(middle(array![1, 3, 2].span()), (2, 2));
        assert_eq!(middle(array![2, 1, 3].span()), (2, 2));
        assert_eq!(middle(array![2, 3, 1].span()), (2, 2));
        assert_eq!(middle(array![3, 1, 2].span()), (2, 2));
        assert_eq!(middle(array![3, 2, 1].span()), (2, 2));
        assert_eq!(middle(array![3, 3, 1].span()), (3, 3));
    }

    #[test]
    fn an_even_count_of_rates_leans_to_zero() {
        assert_eq!(central_rate(array![].span()), 0);
        assert_eq!(central_rate(array![bias_rate(-5), bias_rate(9)].span()), 0);
        assert_eq!(central_rate(array![bias_rate(5), bias_rate(9)].span()), 5);
        assert_eq!(central_rate(array![bias_rate(-5), bias_rate(-9)].span()), -5);
        assert_eq!(central_rate(array![bias_rate(-5), bias_rate(-9), bias_rate(3)].span()), -5);
    }
}
