//! Training that gives the same bytes for any number of threads: supersteps.
//!
//! The work is dealt to [`WORKERS`] logical workers, whatever the number of threads. In a superstep each of them learns a
//! piece of the corpus on the matrix as it stood at the beginning of the step, and keeps what it changes to itself, in an
//! [`Overlay`]. Then the changes are added to the matrix, row by row, in the order of the workers. No row is written while
//! another thread reads it, so nothing depends on who was faster: neither which thread a worker was learnt by, nor which
//! thread adds a row. So each thread adds the rows that its workers alone changed, which are most, and which it has in its
//! caches; the others are dealt out. (Bulk-synchronous parallelism: Valiant 1990, "A Bridging Model for Parallel
//! Computation".) What it costs and what it gives is in `docs/design/0011-supersteps.md`.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fearless_simd::{Simd, dispatch};

use super::barrier::{Barrier, Place};
use super::notes::Notes;
use super::objective::{Loss, Objective};
use super::overlay::{Overlay, PARTS};
use super::run::Run;
use super::schedule::Chunk;
use super::shares::Shares;
use super::window::Learner;
use crate::error::Result;
use crate::kernel::LINE;

/// Logical workers. More threads than these are of no use.
pub const WORKERS: usize = 8;

/// The tokens of a worker's piece: so many that a step is worth its barriers and few windows are cut, so few that what workers
/// don't know of each other stays small, and what they change stays in the cache. Bags of n-grams share rows, and change more
/// of them.
pub fn piece(bags: bool) -> usize {
    if bags { 128 } else { 512 }
}

/// A logical worker. It is one thread's while it learns, and everybody's to read when its changes are added up.
struct Worker<'a, O> {
    learner: Learner<'a, O, Overlay<'a>>,
    /// That it has begun.
    steps: usize,
    /// Of the last step.
    loss: Loss,
}

/// What the threads of a run in supersteps share.
struct Walk<'a, 'w, O> {
    run: &'a Run<'a>,
    workers: &'w [RwLock<Worker<'a, O>>],
    /// The rows of each matrix that each thread's workers changed in this step.
    notes: &'w [RwLock<Vec<Notes>>],
    barrier: Barrier,
}

impl Run<'_> {
    /// Learns all chunks in supersteps. `objective` makes a worker's own.
    ///
    /// # Errors
    /// As [`Run::learn`].
    pub fn supersteps<'a, O: Objective<Overlay<'a>>>(&'a self, objective: impl Fn() -> O) -> Result<()> {
        let (input, _, output) = self.shared;
        let [input_shares, output_shares] = self.shares();
        let overlays = || {
            [(input, &input_shares), (output, &output_shares)]
                .map(|(shared, shares)| Overlay::new(shared, Arc::clone(shares)))
        };
        let worker =
            |_| Worker { learner: self.learner(objective(), overlays()), steps: 0, loss: Loss::default() };
        let workers: Vec<_> = (0..WORKERS).map(worker).map(RwLock::new).collect();
        let threads = rayon::current_num_threads().min(WORKERS);
        let matrices = read(&workers[0]).learner.stores().count();
        let notes: Vec<_> = (0..threads).map(|_| RwLock::new(vec![Notes::default(); matrices])).collect();
        let walk = Walk { run: self, workers: &workers, notes: &notes, barrier: Barrier::new(threads) };
        let results = rayon::broadcast(|thread| {
            if thread.index() < threads { walk.go(thread.index(), &walk.barrier.place()) } else { Ok(()) }
        });
        results.into_iter().collect::<Result<()>>()?;
        let mut scratch = walk.scratch();
        for worker in &workers {
            let learner = &mut write(worker).learner;
            learner.stores_mut().for_each(Overlay::clear);
            learner.finish();
            learner.stores_mut().for_each(|overlay| overlay.settle(&Notes::default(), &mut scratch));
        }
        Ok(())
    }

    /// The shares of input and of output rows.
    fn shares(&self) -> [Arc<Shares>; 2] {
        let (counts, tokens) = (&self.corpus.vocab.counts, self.corpus.tokens().len());
        let steps = tokens as f64 / (WORKERS * self.schedule.chunk_size()) as f64;
        let visits = |word: usize| counts[word] as f64 * self.subsample.probability(word) / steps.max(1.0);
        let words: Vec<f64> = (0..counts.len()).map(visits).collect();
        let shares = Arc::new(Shares::new(&words));
        let Some(bags) = self.shared.1 else { return [Arc::clone(&shares), shares] };
        let mut rows = vec![0.0; bags.total()];
        for (word, visits) in words.iter().enumerate() {
            bags.of(word as u32).iter().for_each(|&row| rows[row as usize] += visits);
        }
        [Arc::new(Shares::new(&rows)), shares]
    }
}

impl<'a, O: Objective<Overlay<'a>>> Walk<'a, '_, O> {
    /// Goes through all steps, as one of the threads.
    fn go(&self, thread: usize, barrier: &Place) -> Result<()> {
        let threads = self.notes.len();
        // Its own workers first, whose memory is in its caches; then those that others have not begun.
        let (own, others): (Vec<usize>, Vec<usize>) =
            (0..WORKERS).partition(|worker| worker % threads == thread);
        let order = [own, others].concat();
        let (mut scratch, mut noted) = (self.scratch(), vec![Notes::default(); read(&self.notes[0]).len()]);
        for step in 0.. {
            let chunks: Vec<Chunk> =
                (step * WORKERS..(step + 1) * WORKERS).map_while(|i| self.run.schedule.chunk(i)).collect();
            if chunks.len() < WORKERS || self.run.progress.stop.load(Ordering::Relaxed) {
                break;
            }
            let mut learnt = self.learn(step, &chunks, &order)?;
            learnt.sort_unstable();
            self.post(thread, &learnt);
            if !barrier.wait() {
                break;
            }
            self.others(thread, &mut noted);
            for &worker in &learnt {
                let learner = &mut write(&self.workers[worker]).learner;
                learner
                    .stores_mut()
                    .zip(&noted)
                    .for_each(|(overlay, noted)| overlay.settle(noted, &mut scratch));
            }
            if !barrier.wait() {
                break;
            }
            for worker in self.workers {
                for overlay in read(worker).learner.stores() {
                    (thread..PARTS).step_by(threads).for_each(|part| overlay.give(part, &mut scratch));
                }
            }
            if thread == 0 {
                for (worker, chunk) in self.workers.iter().zip(&chunks) {
                    self.run.note(chunk, read(worker).loss)?;
                }
            }
            if !barrier.wait() {
                break;
            }
        }
        Ok(())
    }

    /// Learns what others don't, worker by worker, and says which.
    fn learn(&self, step: usize, chunks: &[Chunk], order: &[usize]) -> Result<Vec<usize>> {
        let mut learnt = Vec::with_capacity(WORKERS);
        for &i in order {
            // Whose lock is held is at work.
            let Ok(mut worker) = self.workers[i].try_write() else { continue };
            if worker.steps == step {
                worker.steps += 1;
                learnt.push(i);
                self.run.check(&chunks[i])?;
                worker.learner.stores_mut().for_each(Overlay::clear);
                worker.loss = dispatch!(self.run.level, simd => simd.vectorize(
                    #[inline(always)]
                    || worker.learner.learn(simd, &chunks[i]),
                ));
            }
        }
        Ok(learnt)
    }

    /// Tells the other threads what was learnt.
    fn post(&self, thread: usize, learnt: &[usize]) {
        let mut posted = write(&self.notes[thread]);
        posted.iter_mut().for_each(Notes::clear);
        for &worker in learnt {
            let worker = read(&self.workers[worker]);
            posted
                .iter_mut()
                .zip(worker.learner.stores())
                .for_each(|(notes, overlay)| notes.join(overlay.notes()));
        }
    }

    /// What the other threads learnt.
    fn others(&self, thread: usize, noted: &mut [Notes]) {
        noted.iter_mut().for_each(Notes::clear);
        for (_, posted) in self.notes.iter().enumerate().filter(|(other, _)| *other != thread) {
            noted.iter_mut().zip(read(posted).iter()).for_each(|(notes, posted)| notes.join(posted));
        }
    }

    fn scratch(&self) -> [Vec<f32>; 2] {
        [(); 2].map(|()| vec![0.0; self.run.config.dim.next_multiple_of(LINE)])
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
