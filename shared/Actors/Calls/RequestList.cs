namespace Loire.Actors.Calls;

/// <summary>Requests in order of arrival, linked through themselves: adding and removing anywhere costs nothing. Guarded by its owner's lock.</summary>
internal sealed class RequestList
{
    public int Count { get; private set; }

    public Request? First { get; private set; }

    private Request? Last { get; set; }

    public void Add(Request request)
    {
        request.List = this;
        request.Previous = Last;
        request.Next = null;
        if (Last is null)
        {
            First = request;
        }
        else
        {
            Last.Next = request;
        }

        Last = request;
        Count++;
    }

    /// <summary>Removes the request if it is in this list.</summary>
    public bool Remove(Request request)
    {
        if (request.List != this)
        {
            return false;
        }

        if (request.Previous is null)
        {
            First = request.Next;
        }
        else
        {
            request.Previous.Next = request.Next;
        }

        if (request.Next is null)
        {
            Last = request.Previous;
        }
        else
        {
            request.Next.Previous = request.Previous;
        }

        request.List = null;
        request.Next = null;
        request.Previous = null;
        Count--;
        return true;
    }
}
