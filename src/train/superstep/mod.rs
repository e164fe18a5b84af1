//! Training that gives the same bytes for any number of threads: supersteps.
//!
//! The work is dealt to [`LANES`] logical workers, whatever the number of threads. In a superstep
//! each of them learns a chunk of the corpus on the matrix as it was at the beginning of the step,
//! and keeps what it changes to itself, in an [`Overlay`]. Then the changes are added to the
//! matrix, row by row, in the order of the workers. No row is written while another thread reads
//! it, so nothing depends on who was faster: neither which thread learnt a worker's chunk, nor
//! which thread adds a row. So each thread adds the rows that its workers alone changed. These are
//! most of the rows, and it has them in its caches; the others are dealt out. (Bulk-synchronous
//! parallelism: Valiant 1990, "A Bridging Model for Parallel Computation".)
//! `docs/design/0011-supersteps.md` says what it costs and what it gives.

mod barrier;
mod damping;
pub(super) mod overlay;
mod touched;

use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use self::barrier::{Barrier, Place};
pub(super) use self::damping::Damping;
use self::overlay::{Overlay, PARTS};
use self::touched::TouchedRows;
use super::schedule::{Chunk, LANES};
use super::training::Training;
use super::window::objective::Loss;
use super::window::{Learn, Matrices, TagRows, Way};
use crate::error::Result;
use crate::math::LINE;
use crate::memory::Shared;
use crate::progress::Progress;

/// A logical worker. One thread has it while it learns, and all threads read it when its changes
/// are added up.
struct Worker<'a, W: Way + 'a> {
    learner: W::Learner<'a, Overlay<'a>>,
    /// Steps begun.
    steps: usize,
    /// Loss of the last step.
    loss: Loss,
}

/// What the threads of a training in supersteps share.
struct Supersteps<'a, 'w, W: Way + 'a> {
    training: &'a Training<'a>,
    /// The chunks to learn.
    chunks: Range<usize>,
    workers: &'w [RwLock<Worker<'a, W>>],
    /// The rows of each matrix that each thread's workers changed in this step.
    touched: &'w [RwLock<Vec<TouchedRows>>],
    barrier: Barrier,
    progress: &'w Progress,
}

/// Learns a range of chunks in supersteps. When it returns, all that was learnt is in the matrices.
/// Only at a border can training stop and give the same bytes as one that does not, so nothing stops
/// it before.
///
/// # Errors
/// A damaged corpus, or a loss that is not finite.
pub(super) fn learn<'a, W: Way>(
    training: &'a Training<'a>,
    rows: &Matrices<&'a Shared>,
    damping: &Matrices<Arc<Damping>>,
    chunks: Range<usize>,
    way: &W,
    progress: &Progress,
) -> Result<()> {
    let overlay =
        |shared: &'a Shared, damping: &Arc<Damping>| Overlay::new(shared, Arc::clone(damping));
    let worker = |_| {
        let rows = Matrices {
            input: overlay(rows.input, &damping.input),
            output: overlay(rows.output, &damping.output),
            positions: rows.positions.zip(damping.positions.as_ref()).map(|(s, d)| overlay(s, d)),
        };
        let learner = way.learner(&training.task, rows);
        RwLock::new(Worker::<W> { learner, steps: 0, loss: Loss::default() })
    };
    let workers: Vec<_> = (0..LANES).map(worker).collect();
    let threads = training.pool.current_num_threads().min(LANES);
    let matrices = read(&workers[0]).learner.stores().count();
    let touched: Vec<_> =
        (0..threads).map(|_| RwLock::new(vec![TouchedRows::default(); matrices])).collect();
    let barrier = Barrier::new(threads);
    let supersteps =
        Supersteps { training, chunks, workers: &workers, touched: &touched, barrier, progress };
    let results = training.pool.broadcast(|thread| {
        let thread = thread.index();
        if thread < threads { supersteps.go(thread, &supersteps.barrier.place()) } else { Ok(()) }
    });
    results.into_iter().collect::<Result<()>>()?;
    // Noise words stay with a worker from step to step; at a border they go back too.
    let mut scratch = supersteps.scratch();
    for worker in &workers {
        let learner = &mut write(worker).learner;
        learner.stores_mut().for_each(Overlay::clear);
        learner.finish();
        let none = TouchedRows::default();
        learner.stores_mut().for_each(|overlay| overlay.settle(&none, &mut scratch));
    }
    Ok(())
}

/// The damping of the rows of each matrix, by how often a step meets them. It is the same from the
/// beginning of a training to its end.
pub(super) fn damping(training: &Training, positions: Option<&Shared>) -> Matrices<Arc<Damping>> {
    let (task, corpus) = (&training.task, training.corpus());
    let (counts, tokens) = (&corpus.vocab.counts, corpus.tokens().len());
    let steps = tokens as f64 / (LANES * training.schedule.chunk_size()) as f64;
    // The counts may be those of more text than is learnt now.
    let share = tokens as f64 / (counts.iter().sum::<u64>().max(1) as f64);
    let visits = |word: usize| {
        share * counts[word] as f64 * task.subsample.probability(word) / steps.max(1.0)
    };
    let words: Vec<f64> = (0..counts.len()).map(visits).collect();
    let output = Arc::new(Damping::new(&words, LANES));
    let input = match (&task.bags, task.tags) {
        (Some(bags), _) => {
            let mut rows = vec![0.0; bags.total()];
            for (word, visits) in words.iter().enumerate() {
                bags.of(word as u32).iter().for_each(|&row| rows[row as usize] += visits);
            }
            Arc::new(Damping::new(&rows, LANES))
        }
        (None, Some(TagRows { of, first, .. })) => {
            let mut rows = words[..first as usize].to_vec();
            rows.resize(training.input_rows(), 0.0);
            for (sequence, piece) in task.reading.pieces(0..tokens) {
                for &tag in of.of(sequence) {
                    rows[(first + tag) as usize] += piece.len() as f64 / steps.max(1.0);
                }
            }
            Arc::new(Damping::new(&rows, LANES))
        }
        (None, None) => Arc::clone(&output),
    };
    // Position weights are met at every centre.
    let always = |rows: &Shared| Arc::new(Damping::new(&vec![f64::INFINITY; rows.rows()], LANES));
    Matrices { input, output, positions: positions.map(always) }
}

impl<W: Way> Supersteps<'_, '_, W> {
    /// Goes through all steps, as one of the threads.
    fn go(&self, thread: usize, barrier: &Place) -> Result<()> {
        let threads = self.touched.len();
        // Its own workers first, whose memory is in its caches; then those that nobody has begun.
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..LANES).partition(|worker| worker % threads == thread);
        let order = [own, others].concat();
        let mut scratch = self.scratch();
        let mut by_others = vec![TouchedRows::default(); read(&self.touched[0]).len()];
        for (step, first) in self.chunks.clone().step_by(LANES).enumerate() {
            let chunks: Vec<Chunk> =
                (first..first + LANES).map_while(|i| self.training.schedule.chunk(i)).collect();
            if chunks.len() < LANES {
                break;
            }
            let mut learnt = self.learn(step, &chunks, &order)?;
            learnt.sort_unstable();
            self.post(thread, &learnt);
            if !barrier.wait() {
                break;
            }
            self.gather(thread, &mut by_others);
            for &worker in &learnt {
                let learner = &mut write(&self.workers[worker]).learner;
                let overlays = learner.stores_mut().zip(&by_others);
                overlays.for_each(|(overlay, others)| overlay.settle(others, &mut scratch));
            }
            if !barrier.wait() {
                break;
            }
            for worker in self.workers {
                for overlay in read(worker).learner.stores() {
                    let parts = (thread..PARTS).step_by(threads);
                    parts.for_each(|part| overlay.give(part, &mut scratch));
                }
            }
            if thread == 0 {
                for (worker, chunk) in self.workers.iter().zip(&chunks) {
                    self.training.note(chunk, read(worker).loss, self.progress)?;
                }
            }
            if !barrier.wait() {
                break;
            }
        }
        Ok(())
    }

    /// Claims unclaimed workers, trains them, and returns their indices.
    fn learn(&self, step: usize, chunks: &[Chunk], order: &[usize]) -> Result<Vec<usize>> {
        let mut learnt = Vec::with_capacity(LANES);
        for &i in order {
            // A locked worker is already being trained.
            let Ok(mut worker) = self.workers[i].try_write() else { continue };
            if worker.steps == step {
                worker.steps += 1;
                learnt.push(i);
                self.training.check(&chunks[i], self.progress)?;
                worker.learner.stores_mut().for_each(Overlay::clear);
                worker.loss = worker.learner.learn(self.training.level, &chunks[i]);
            }
        }
        Ok(learnt)
    }

    /// Tells the other threads which rows were changed.
    fn post(&self, thread: usize, learnt: &[usize]) {
        let mut posted = write(&self.touched[thread]);
        posted.iter_mut().for_each(TouchedRows::clear);
        for &worker in learnt {
            let worker = read(&self.workers[worker]);
            let overlays = posted.iter_mut().zip(worker.learner.stores());
            overlays.for_each(|(touched, overlay)| touched.join(overlay.touched()));
        }
    }

    /// Gathers the rows that the other threads changed.
    fn gather(&self, thread: usize, by_others: &mut [TouchedRows]) {
        by_others.iter_mut().for_each(TouchedRows::clear);
        for (_, posted) in self.touched.iter().enumerate().filter(|(other, _)| *other != thread) {
            let posted = read(posted);
            by_others.iter_mut().zip(posted.iter()).for_each(|(all, posted)| all.join(posted));
        }
    }

    fn scratch(&self) -> [Vec<f32>; 2] {
        [(); 2].map(|()| vec![0.0; self.training.config.dim.next_multiple_of(LINE)])
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
