using System.Runtime.ExceptionServices;

namespace Loire.Store.Redis;

/// <summary>Things done side by side, of which the failure of the first in order is reported.</summary>
internal static class FirstFailure
{
    public static async Task OfAllAsync(IEnumerable<int> indexes, Func<int, Task> act)
    {
        var tasks = indexes.Select(act).ToList();
        try
        {
            await Task.WhenAll(tasks);
        }
        catch (Exception)
        {
            var failed = tasks.First(task => !task.IsCompletedSuccessfully);
            ExceptionDispatchInfo.Throw(failed.Exception?.InnerException ?? new OperationCanceledException());
        }
    }
}
