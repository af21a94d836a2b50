// One GPU, and messages of its errors come late: one test at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
