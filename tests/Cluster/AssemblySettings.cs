// Every test here starts a cluster of processes, which keeps all cores busy.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
