"""The pool: written queries of earlier intervals, taken up again and judged anew together with today's.

Nothing is chained. What an interval takes up depends on the tables that earlier intervals wrote, not on what those took
up themselves, so an interval that failed, or comes late, leaves no hole: the next one finds what it wrote.
"""
