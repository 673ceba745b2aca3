//! Ranks as threads of one process: they share nothing but the wire.

use super::*;
use crate::LearnerOptions;
use crate::testing;
use iterit_core::learner::Learner;
use iterit_core::sdk::Pooling;
use serde_json::json;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

const LIMIT: Duration = Duration::from_secs(60);

fn model() -> TorchLearner {
    let one = NonZeroUsize::new(1);
    let scoring_tokens = NonZeroUsize::new(300);
    let options = LearnerOptions { threads: one, scoring_tokens, ..LearnerOptions::default() };
    testing::learner(&json!({}), options)
}

/// Runs `work` on rank 0 while the others serve; how these ended.
fn with_fleet(size: usize, work: impl FnOnce(&mut Fleet)) -> Vec<Result<()>> {
    let at = Rendezvous::host(LIMIT).unwrap();
    let port = at.port();
    thread::scope(|scope| {
        let hand =
            |rank| scope.spawn(move || serve(model(), &Rendezvous::find(port, LIMIT)?, rank, size));
        let hands: Vec<_> = (1..size).map(hand).collect();
        let mut fleet = Fleet::join(model(), &at, size).unwrap();
        work(&mut fleet);
        drop(fleet);
        hands.into_iter().map(|it| it.join().unwrap()).collect()
    })
}

#[test]
fn ranks_answer_to_the_byte_as_one() {
    let sequences = testing::sequences(40);
    let embedding = Embedding { layer: -1, pooling: Pooling::Mean };
    let bits = |rows: &[Vec<f32>]| rows.concat().iter().map(|it| it.to_bits()).collect::<Vec<_>>();
    let mut alone = model();
    let nll = alone.token_nll(&sequences, &Unwatched).unwrap();
    let statistics = alone.logit_statistics(&sequences, &Unwatched).unwrap();
    let embedded = alone.embeddings(&sequences, embedding, &Unwatched).unwrap().into_values();
    for size in [1, 2, 3] {
        let ended = with_fleet(size, |fleet| {
            let found = fleet.token_nll(&sequences, &Unwatched).unwrap();
            assert_eq!(bits(&found), bits(&nll), "{size}");
            let found = fleet.logit_statistics(&sequences, &Unwatched).unwrap();
            // NaN is not equal to itself, so as text.
            assert_eq!(format!("{found:?}"), format!("{statistics:?}"), "{size}");
            let found = fleet.embeddings(&sequences, embedding, &Unwatched).unwrap();
            assert_eq!(
                bits(&[found.into_values()]),
                bits(std::slice::from_ref(&embedded)),
                "{size}"
            );
            assert_eq!(fleet.token_nll(&[], &Unwatched).unwrap().len(), 0);
        });
        assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    }
}

#[test]
fn every_number_is_found_by_one_rank_and_every_rank_finds_some() {
    let sequences = testing::sequences(40);
    let found = |rank| {
        let mut part = model().with_share(Share { rank, size: 3 });
        let losses = part.token_nll(&sequences, &Unwatched).unwrap().concat();
        losses.iter().map(|it| usize::from(it.to_bits() != (-0.0f32).to_bits())).collect()
    };
    let parts: [Vec<usize>; 3] = [0, 1, 2].map(found);
    for index in 0..parts[0].len() {
        assert_eq!(parts.iter().map(|part| part[index]).sum::<usize>(), 1, "number {index}");
    }
    let counts = parts.map(|part| part.iter().sum::<usize>());
    assert!(counts.iter().all(|&it| it > 0), "{counts:?}");
}

#[test]
fn a_fault_ends_all_ranks() {
    let unknown = Sequence { tokens: vec![1, testing::VOCABULARY], scored: (1..2).into() };
    let ended = with_fleet(3, |fleet| {
        let error = fleet.token_nll(std::slice::from_ref(&unknown), &Unwatched).unwrap_err();
        assert!(error.to_string().starts_with("token id 61"), "{error}");
        let error = fleet.token_nll(&[], &Unwatched).unwrap_err().to_string();
        assert!(error.starts_with("a rank was lost"), "{error}");
    });
    assert!(ended.iter().all(Result::is_err), "{ended:?}");
}

#[test]
fn a_rank_that_never_comes_is_waited_for_no_longer_than_the_limit() {
    let start = Instant::now();
    let at = Rendezvous::host(Duration::from_secs(2)).unwrap();
    let error = Fleet::join(model(), &at, 2).err().expect("nobody came").to_string();
    assert!(error.starts_with("rank 0 of 2 waited for the others"), "{error}");
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
}

#[test]
fn a_hand_that_goes_is_noticed() {
    let at = Rendezvous::host(LIMIT).unwrap();
    let port = at.port();
    thread::scope(|scope| {
        scope.spawn(move || Rendezvous::find(port, LIMIT)?.join(1, 2).map(drop));
        let mut fleet = Fleet::join(model(), &at, 2).unwrap();
        let error = fleet.token_nll(&testing::sequences(9), &Unwatched).unwrap_err().to_string();
        assert!(error.lines().count() == 1, "{error}");
    });
}
