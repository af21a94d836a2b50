namespace Loire.Actors;

/// <summary>The scheduler that a grain's code runs on: what it awaits and starts comes back to its activation, one piece at a time.</summary>
internal sealed class ActivationScheduler(Activation activation) : TaskScheduler
{
    public override int MaximumConcurrencyLevel => 1;

    public void Execute(Task task) => TryExecuteTask(task);

    protected override void QueueTask(Task task) => activation.QueueTask(task);

    // A task that waits in the queue stays there: taking it out of the middle is not worth its cost.
    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) =>
        !taskWasPreviouslyQueued && Orleans.Runtime.RuntimeContext.Current == activation && TryExecuteTask(task);

    protected override IEnumerable<Task> GetScheduledTasks() => activation.QueuedTasks();
}
