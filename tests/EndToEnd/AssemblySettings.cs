// Every test here keeps the processor busy by itself.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
