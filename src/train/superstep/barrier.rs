//! A spinning barrier for steps under a millisecond, where waking a thread would take longer than
//! the step.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::{hint, thread};
/// Spins before yielding.
const SPINS: usize = 1000;

/// A place at which a fixed number of threads wait for each other, again and again.
pub(super) struct Barrier {
    threads: usize,
    waiting: AtomicUsize,
    /// How often all threads have met.
    met: AtomicUsize,
    left: AtomicBool,
}

impl Barrier {
    /// A barrier for `threads` threads.
    pub(super) fn new(threads: usize) -> Self {
        Self {
            threads,
            waiting: AtomicUsize::new(0),
            met: AtomicUsize::new(0),
            left: AtomicBool::new(false),
        }
    }

    /// A thread's place at the barrier. Dropping it leaves the barrier and releases everyone.
    pub(super) fn place(&self) -> Place<'_> {
        Place(self)
    }
}

/// One thread's place at a [`Barrier`].
pub(super) struct Place<'a>(&'a Barrier);

impl Place<'_> {
    /// Waits until all threads wait. Afterwards, every thread sees everything that the others did
    /// before. Returns `false` if a thread has left, so that they will never all meet.
    #[must_use]
    pub(super) fn wait(&self) -> bool {
        let Barrier { threads, waiting, met, left } = self.0;
        let before = met.load(Ordering::Acquire);
        if waiting.fetch_add(1, Ordering::AcqRel) + 1 == *threads {
            waiting.store(0, Ordering::Relaxed);
            met.store(before + 1, Ordering::Release);
            return true;
        }
        let mut looks = 0;
        loop {
            if met.load(Ordering::Acquire) != before {
                return true;
            }
            if left.load(Ordering::Acquire) {
                // That thread may have left after all had met.
                return met.load(Ordering::Acquire) != before;
            }
            if looks < SPINS {
                looks += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.left.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::panic;

    use super::*;

    /// Runs `work` on each of `threads` threads, with the thread's number and place.
    fn on(threads: usize, work: impl Fn(usize, &Place) + Sync) {
        let barrier = Barrier::new(threads);
        thread::scope(|scope| {
            for i in 0..threads {
                let (barrier, work) = (&barrier, &work);
                scope.spawn(move || work(i, &barrier.place()));
            }
        });
    }

    #[test]
    fn nobody_is_a_step_ahead() {
        for threads in [1, 2, 5] {
            let steps: Vec<_> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
            on(threads, |i, place| {
                for step in 0..200 {
                    steps[i].store(step, Ordering::Relaxed);
                    assert!(place.wait());
                    assert!(steps.iter().all(|s| s.load(Ordering::Relaxed) == step));
                    assert!(place.wait());
                }
            });
        }
    }

    #[test]
    fn who_leaves_sets_the_others_free() {
        let freed = AtomicUsize::new(0);
        on(4, |i, place| {
            assert!(place.wait());
            if i != 2 {
                freed.fetch_add(usize::from(!place.wait()), Ordering::Relaxed);
            }
        });
        assert_eq!(freed.into_inner(), 3);
        let freed = AtomicUsize::new(0);
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let place = barrier.place();
                let _ = panic::catch_unwind(panic::AssertUnwindSafe(move || {
                    assert!(place.wait());
                    panic!("on purpose");
                }));
            });
            scope.spawn(|| {
                let place = barrier.place();
                assert!(place.wait());
                freed.fetch_add(usize::from(!place.wait()), Ordering::Relaxed);
            });
        });
        assert_eq!(freed.into_inner(), 1);
    }
}
