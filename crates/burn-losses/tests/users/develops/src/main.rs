//! `develops [PART OF A NAME [REPEATS]]`: a line for each case, with the milliseconds of ours and of Burn's.

fn main() {
    let mut arguments = std::env::args().skip(1);
    let only = arguments.next().unwrap_or_default();
    let repeats = arguments.next().map_or(9, |it| it.parse().expect("a number"));
    rayon::ThreadPoolBuilder::new()
        .num_threads(2)
        .build_global()
        .expect("the first pool");
    for (case, ours, burn) in develops::times(&only, repeats) {
        let burn = burn.map_or("-".to_string(), |burn| format!("{burn:.4}"));
        println!("{case},{ours:.4},{burn}");
    }
}
